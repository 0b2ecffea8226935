// Decides whether a connection may have other subscriptions: whose token it is, rate, sessions, rights and limits. Called by
// update-subscriptions.ts before anything changes.
import type { RigelError } from '../../../core/errors.ts'
import { fail, ok, type Result } from '../../../core/result.ts'
import { checkRights, rightsOf } from '../../../core/rules/filter-rights.ts'
import type { TypeRules } from '../../../core/rules/type-rules.ts'
import { givenOf, type ConnectionAdmission } from '../connections/admission.ts'
import type { Connection } from '../connections/connection.ts'
import { userOf } from '../connections/connection-state.ts'
import type { RevocationList } from '../revocation-list.ts'
import type { ShardContext } from '../shard-context.ts'
import type { LiveTables } from '../tables/live-tables.ts'
import type { ChangeRateLimiter } from './change-rate-limiter.ts'
import { sessionsOf, withSessions, type SubscriptionChange } from './subscription-change.ts'

/** A connection ends with any session whose token was used on it, so it keeps all of them: for a day, one every 90 seconds. */
const MAX_SESSIONS = 1_000

interface ChangeCheckParts {
  readonly admission: Pick<ConnectionAdmission, 'checkBytes'>
  readonly changeRate: ChangeRateLimiter
  readonly revocations: RevocationList
  readonly tables: Pick<LiveTables, 'check'>
}

export function checkChange(
  { config, now }: ShardContext,
  parts: ChangeCheckParts,
  known: Connection | undefined,
  { asOf, grant, inferred, principal, subscriptions }: SubscriptionChange,
): Result<Connection, RigelError> {
  if (known === undefined || !known.takesSubscriptions) return fail({ kind: 'connection_gone' })
  // An owned connection accepts tokens of its user only. One that was opened without a user is claimed by the first.
  const user = userOf(known.state)
  if (user !== null && principal.user !== null && user !== principal.user) return fail({ kind: 'foreign_connection' })
  if (!parts.changeRate.mayChange(known, subscriptions.length)) return fail({ kind: 'rate_limited' })
  const sessions = sessionsOf(principal)
  if (withSessions(known.state.owner, sessions).sessions.length > MAX_SESSIONS)
    return fail({ kind: 'too_many_connections', scope: 'session' })
  const revoked = sessions.find((session) => parts.revocations.has(session, now()))
  if (revoked !== undefined) return fail({ kind: 'session_revoked', session: revoked })
  const allowed = checkNewRights(config.typeRules, known, { grant, inferred, principal, subscriptions })
  if (!allowed.ok) return allowed
  const limit = config.connections.subscriptions
  if (subscriptions.length > limit) return fail({ kind: 'too_many_subscriptions', limit, got: subscriptions.length })
  const fits = parts.admission.checkBytes(subscriptions)
  if (!fits.ok) return fits
  const hasJoins = asOf !== undefined || (known.state.joins?.length ?? 0) > 0
  const hasTables = parts.tables.check(subscriptions, hasJoins ? '' : undefined)
  return hasTables.ok ? ok(known) : hasTables
}

/** Only what is new: what rules forbid of the rest is not delivered, and must not refuse a new token. */
function checkNewRights(
  rules: TypeRules | null,
  { state }: Connection,
  { grant, inferred, subscriptions }: SubscriptionChange,
): Result<null, RigelError> {
  const known = [...inferred, ...state.subscriptions]
  const rights = rightsOf(rules, [state.grant, grant])
  return rights === undefined ? ok(null) : checkRights(rights, givenOf({ inferred: known, subscriptions }))
}
