// Replaces the subscriptions of an open connection, by PUT or in-band. A client that resumed and subscribes only now gets
// the matching events that it missed: nothing is lost between connect and PUT.
import { parseAsOf, type AsOf } from '../../../core/as-of/as-of.ts'
import type { Joined } from '../../../core/as-of/resolve-as-of.ts'
import { formatPosition } from '../../../core/identity/position.ts'
import type { MergedPrincipal } from '../../../core/identity/principal.ts'
import type { RigelError } from '../../../core/errors.ts'
import { fieldsOf } from '../../../core/events/extractors.ts'
import { checkRights, rightsOf } from '../../../core/rules/filter-rights.ts'
import type { TypeGrant } from '../../../core/rules/type-grant.ts'
import { fail, ok, type Result } from '../../../core/result.ts'
import type { Subscription } from '../../../core/subscriptions/subscription.ts'
import { givenOf, type ConnectionAdmission } from '../connections/admission.ts'
import type { AsOfJoins } from './as-of-joins.ts'
import type { InBandCheck } from './in-band-check.ts'
import type { ChangeRateLimiter } from './change-rate-limiter.ts'
import type { Connection } from '../connections/connection.ts'
import type { ConnectionLifecycle } from '../connections/connection-lifecycle.ts'
import type { ConnectionRegistry } from '../connections/connection-registry.ts'
import { tablesFor, userOf, viewMarkOf, type Resume } from '../connections/connection-state.ts'
import { specOf } from '../old-shard/plan-replay.ts'
import type { OldShardReader } from '../old-shard/old-shard-reader.ts'
import type { LiveTables } from '../tables/live-tables.ts'
import type { InterestRegistry } from '../interest-registry.ts'
import type { CommittedLog } from '../log/committed-log.ts'
import type { RevocationList } from '../revocation-list.ts'
import type { ShardContext } from '../shard-context.ts'
import { envelope, subscriptionsSet } from '../system-events.ts'

export interface SubscriptionChange {
  readonly subscriptions: readonly Subscription[]
  /** The part of `subscriptions` that a token implies. */
  readonly inferred: readonly Subscription[]
  /** The principal of the token that came with the change. `expSeconds` is null if no token came. */
  readonly principal: MergedPrincipal
  /** The offsets of the client's state of what it subscribes to, as `parseAsOf` takes them. */
  readonly asOf?: string | undefined
  /** What that token permits by rules per event type. Undefined: no token came, or nothing is restricted. */
  readonly grant?: TypeGrant | undefined
  /** Resolves to why a check service refuses the change, or to undefined. Absent: it was asked before, or there is none. */
  readonly askService?: () => Promise<RigelError | undefined>
}

/** A connection ends with any session whose token was used on it, so it keeps all of them: for a day, one every 90 seconds. */
const MAX_SESSIONS = 1_000

interface SubscriptionUpdaterParts {
  readonly connections: ConnectionRegistry
  readonly log: CommittedLog
  readonly interests: InterestRegistry
  readonly revocations: RevocationList
  readonly lifecycle: ConnectionLifecycle
  readonly admission: ConnectionAdmission
  readonly changeRate: ChangeRateLimiter
  readonly inBandCheck: InBandCheck
  readonly asOfJoins: AsOfJoins
  readonly oldShards: OldShardReader
  readonly tables: () => Pick<LiveTables, 'check' | 'coversSince'>
}

export class SubscriptionUpdater {
  readonly #context: ShardContext
  readonly #parts: SubscriptionUpdaterParts

  constructor(context: ShardContext, parts: SubscriptionUpdaterParts) {
    this.#context = context
    this.#parts = parts
  }

  /** Resolves when the set is in force. */
  async replace(connectionId: string, change: SubscriptionChange): Promise<Result<null, RigelError>> {
    const { changeRate, connections, inBandCheck } = this.#parts
    const asOf = change.asOf === undefined ? undefined : parseAsOf(change.asOf)
    if (asOf?.ok === false) return fail({ kind: 'bad_request', message: asOf.reason })
    const asking = connections.get(connectionId)
    const known = this.#check(asking, change)
    if (!known.ok && known.reason.kind === 'rate_limited' && asking !== undefined) await changeRate.waitToRefuse(asking)
    if (!known.ok) return known
    const { askService } = change
    if (askService === undefined) return this.#replaceChecked(known.value, change, asOf?.value)
    return inBandCheck.inTurn(known.value, async () => {
      const refusal = await askService()
      return refusal === undefined ? this.#replaceChecked(known.value, change, asOf?.value) : fail(refusal)
    })
  }

  async #replaceChecked(
    known: Connection,
    change: SubscriptionChange,
    asOf: AsOf | undefined,
  ): Promise<Result<null, RigelError>> {
    const { admission, asOfJoins, connections, log } = this.#parts
    const connectionId = known.state.id
    const { resume, subscriptions: before } = known.state
    const resumed = resume !== null && this.#context.now() <= resume.untilMs ? resume : null
    // Before the interests are registered: a type that is registered now has no events from before.
    const isCovered = resumed !== null && (await this.#isCovered(resumed, change.subscriptions))
    const registered = await admission.register(change.subscriptions)
    if (!registered.ok) return registered
    const joined = asOf === undefined ? null : await asOfJoins.joinLater(asOf, newTypes(before, change))
    if (joined?.ok === false) return joined
    const connection = connections.get(connectionId)
    if (connection === undefined) return fail({ kind: 'connection_gone' })
    const applied =
      joined === null
        ? this.#apply(connection, change, resumed, isCovered)
        : // Another set came meanwhile: what was found is not about what is new now.
          this.#applyJoin(connection, change, connection.state.subscriptions === before ? joined.value : undefined)
    await log.settle()
    return applied
  }

  /** A client that came from another shard missed events there. If that does not answer, the client is told of a gap. */
  async #isCovered({ before, seq }: Resume, subscriptions: readonly Subscription[]): Promise<boolean> {
    const { oldShards, interests } = this.#parts
    if (before === null) return interests.coversSince(subscriptions, seq)
    const found = oldShards.find(before, formatPosition(before.epoch, before.seq), subscriptions)
    return (await found.catch(() => null))?.isCovered === true
  }

  /** What the client had subscribed to before goes on as it was; the rest begins where its state ends. */
  #applyJoin(connection: Connection, change: SubscriptionChange, joined: Joined | undefined): Result<null, RigelError> {
    const before = connection.filter
    const set = this.#set(connection, change, joined, this.#parts.log.committedSeq)
    if (!set.ok) return set
    connection.send(subscriptionsSet(envelope(this.#context), change.subscriptions, joined !== undefined))
    if (joined !== undefined) this.#parts.lifecycle.rewind(connection, joined.startSeq, before)
    return set
  }

  /** Events of what is new are sent from `sinceSeq` on, unless the client has joined at a state of it. */
  #set(
    connection: Connection,
    { grant, inferred, principal, subscriptions }: SubscriptionChange,
    joined: Joined | undefined,
    sinceSeq: number,
    hasAllTables = false,
  ): Result<null, RigelError> {
    const joins = this.#parts.asOfJoins.joinsWith(connection, joined, sinceSeq)
    if (joins === undefined) return fail({ kind: 'rate_limited' })
    const { user, expSeconds } = principal
    this.#parts.asOfJoins.joinedAgain(connection)
    this.#parts.lifecycle.update(connection, {
      subscriptions,
      inferred,
      joins,
      owner: withSessions(connection.state.owner, sessionsOf(principal)),
      resume: null,
      claimedBy: userOf(connection.state) ?? user,
      grantEndsAtMs: expSeconds === null ? null : expSeconds * 1_000,
      ...(grant === undefined && !connection.state.lateGrant ? {} : { lateGrant: grant ?? null }),
      ...(hasAllTables ? { tables: tablesFor(subscriptions, true) } : {}),
    })
    this.#context.wakeBy(connection.state.grantEndsAtMs ?? Infinity)
    return ok(null)
  }

  /** A client that came back, and subscribes to the same as before, gets what has changed in its tables since. */
  #continuesTables(
    { state }: Connection,
    { grant, subscriptions }: SubscriptionChange,
    { mark, seq }: Resume,
  ): boolean {
    const lateGrant = grant ?? state.lateGrant ?? null
    const isSame = mark !== undefined && mark === viewMarkOf({ subscriptions, grant: state.grant, lateGrant })
    return isSame && this.#parts.tables().coversSince(subscriptions, seq)
  }

  #apply(
    connection: Connection,
    change: SubscriptionChange,
    resumed: Resume | null,
    isCovered: boolean,
  ): Result<null, RigelError> {
    const { lifecycle, log } = this.#parts
    const before = connection.filter
    const had = specOf(connection.state)
    const recovered = resumed === null ? null : isCovered && (resumed.before !== null || resumed.seq >= log.floorSeq)
    const from = recovered === true ? (resumed?.before ?? null) : null
    const isOwn = recovered === true && resumed?.before === null
    const hasAll = isOwn && this.#continuesTables(connection, change, resumed)
    const set = this.#set(connection, change, undefined, isOwn ? resumed.seq : log.committedSeq, hasAll)
    if (!set.ok) return set
    // First, so that its client's position stays where it is until the missed events have been sent.
    if (from !== null) connection.replayOldShard({ from, delivered: { filter: had, untilSeq: Infinity }, isLate: true })
    connection.send(subscriptionsSet(envelope(this.#context), change.subscriptions, recovered))
    if (isOwn) lifecycle.rewind(connection, resumed.seq, before)
    return set
  }

  #check(
    known: Connection | undefined,
    { asOf, grant, inferred, principal, subscriptions }: SubscriptionChange,
  ): Result<Connection, RigelError> {
    if (known === undefined || !known.takesSubscriptions) return fail({ kind: 'connection_gone' })
    // An owned connection accepts tokens of its user only. One that was opened without a user is claimed by the first.
    const user = userOf(known.state)
    if (user !== null && principal.user !== null && user !== principal.user) return fail({ kind: 'foreign_connection' })
    if (!this.#parts.changeRate.mayChange(known, subscriptions.length)) return fail({ kind: 'rate_limited' })
    const sessions = sessionsOf(principal)
    if (withSessions(known.state.owner, sessions).sessions.length > MAX_SESSIONS)
      return fail({ kind: 'too_many_connections', scope: 'session' })
    const revoked = sessions.find((session) => this.#parts.revocations.has(session, this.#context.now()))
    if (revoked !== undefined) return fail({ kind: 'session_revoked', session: revoked })
    const allowed = this.#checkRights(known, { grant, inferred, principal, subscriptions })
    if (!allowed.ok) return allowed
    const limit = this.#context.config.connections.subscriptions
    if (subscriptions.length > limit) return fail({ kind: 'too_many_subscriptions', limit, got: subscriptions.length })
    const fits = this.#parts.admission.checkBytes(subscriptions)
    if (!fits.ok) return fits
    const hasJoins = asOf !== undefined || (known.state.joins?.length ?? 0) > 0
    const hasTables = this.#parts.tables().check(subscriptions, hasJoins ? '' : undefined)
    return hasTables.ok ? ok(known) : hasTables
  }

  /** Only what is new: what rules forbid of the rest is not delivered, and must not refuse a new token. */
  #checkRights(
    { state }: Connection,
    { grant, inferred, subscriptions }: SubscriptionChange,
  ): Result<null, RigelError> {
    const known = [...inferred, ...state.subscriptions]
    const rights = rightsOf(this.#context.config.typeRules, [state.grant, grant])
    return rights === undefined ? ok(null) : checkRights(rights, givenOf({ inferred: known, subscriptions }))
  }

  /** Withdraws the subscriptions that came with a token that has expired. Returns whether there were any. */
  withdrawEnded(nowMs: number): boolean {
    const ended = this.#parts.connections.withEndedGrant(nowMs)
    for (const connection of ended) {
      const subscriptions = this.#withoutToken(connection)
      this.#parts.lifecycle.update(connection, { subscriptions, inferred: [], grantEndsAtMs: null, lateGrant: null })
      connection.send(subscriptionsSet(envelope(this.#context), subscriptions))
    }
    return ended.length > 0
  }

  /** Returns the subscriptions that need no token: a token neither implies nor restricts them, and they are allowed without. */
  #withoutToken({ state }: Connection): readonly Subscription[] {
    const { extractors, subscriptionCheck } = this.#context.config
    if (subscriptionCheck !== 'no_check') return []
    const inferred = new Set(state.inferred.map((subscription) => JSON.stringify(subscription)))
    return state.subscriptions.filter(
      (subscription) =>
        !inferred.has(JSON.stringify(subscription)) &&
        !fieldsOf(extractors, subscription.eventType).some(({ enforced }) => enforced),
    )
  }
}

/** What was subscribed to before is no part of the join. */
function newTypes(before: readonly Subscription[], { subscriptions }: SubscriptionChange): readonly string[] {
  const known = new Set(before.map((subscription) => JSON.stringify(subscription)))
  return subscriptions.filter((one) => !known.has(JSON.stringify(one))).map(({ eventType }) => eventType)
}

function sessionsOf({ moreSessions = [], session }: MergedPrincipal): readonly string[] {
  return session === null ? moreSessions : [session, ...moreSessions]
}

/** A connection belongs to every session whose token was used on it, and ends with any of them, as in RIG. */
function withSessions<T extends { readonly sessions: readonly string[] }>(owner: T, sessions: readonly string[]): T {
  if (sessions.every((session) => owner.sessions.includes(session))) return owner
  return { ...owner, sessions: [...new Set([...owner.sessions, ...sessions])] }
}
