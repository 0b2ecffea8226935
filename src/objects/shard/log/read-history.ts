// Answers a client that reads history without a connection. It makes the checks that a connection would have to pass, and returns
// a page of the log (history.ts). Called by UserShard.
import type { RigelError } from '../../../core/errors.ts'
import { fail, ok, type Result } from '../../../core/result.ts'
import { checkRights, rightsOf } from '../../../core/rules/filter-rights.ts'
import type { HistoryPage, HistoryRequest } from '../../../rpc/shard.ts'
import { givenOf } from '../connections/admission.ts'
import type { Shard } from '../create-shard.ts'

const OUTDATED: RigelError = {
  kind: 'bad_request',
  message:
    'after is no position whose events are still kept: read from the beginning (without after), or from a time (since).',
}

/**
 * A page reads up to 2 MiB of the log, so one client must not ask for pages as fast as it can. A user pays for the user's own, and
 * clients without a user pay together.
 */
const USER_PACE = { burst: 50, perSecond: 10 }
const ANONYMOUS_PACE = { burst: 100, perSecond: 20 }

/** Returns a page of stored events. Refuses clients for which no connection would be opened. */
export async function readHistory(
  { admission, context, log, readings, revocations, storedHistory }: Shard,
  wanted: HistoryRequest,
  limit: number,
): Promise<Result<HistoryPage, RigelError>> {
  const { lastEventId: after, principal, sinceMs = 0, subscriptions } = wanted
  const { session, user } = principal
  // Before the checks: a session may be revoked, or its user move, while it waits.
  const pace = user === null ? { payer: 'anonymous', ...ANONYMOUS_PACE } : { payer: `user ${user}`, ...USER_PACE }
  if (!(await readings.enter(pace))) return fail({ kind: 'rate_limited' })
  const home = await admission.checkHome(wanted)
  if (!home.ok) return home
  if (session !== null && revocations.has(session, context.now())) return fail({ kind: 'session_revoked', session })
  if (wanted.atPosition === true && !log.ownsText(after)) return fail({ kind: 'wrong_shard' })
  const rights = rightsOf(context.config.typeRules, [wanted.grant], Infinity)
  for (const action of ['subscribe', 'history'] as const) {
    const allowed = checkRights(rights, givenOf(wanted), action)
    if (!allowed.ok) return allowed
  }
  const page = await storedHistory.page({ user, subscriptions, rights, after, sinceMs, limit })
  return page === undefined ? fail(OUTDATED) : ok(page)
}
