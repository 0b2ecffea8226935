// Replaces the subscriptions of an open connection, by PUT or in-band. A client that resumed and subscribes only now gets
// the matching events that it missed: nothing is lost between connect and PUT.
import { parseAsOf, type AsOf } from '../../../core/as-of/as-of.ts'
import type { Joined } from '../../../core/as-of/resolve-as-of.ts'
import { formatPosition } from '../../../core/identity/position.ts'
import type { RigelError } from '../../../core/errors.ts'
import { fail, ok, type Result } from '../../../core/result.ts'
import { mayWithholdHistory, rightsOf, type FilterRights } from '../../../core/rules/filter-rights.ts'
import type { Subscription } from '../../../core/subscriptions/subscription.ts'
import type { ConnectionAdmission } from '../connections/admission.ts'
import type { AsOfJoins } from './as-of-joins.ts'
import type { InBandCheck } from './in-band-check.ts'
import type { ChangeRateLimiter } from './change-rate-limiter.ts'
import { checkChange } from './check-change.ts'
import { sessionsOf, withSessions, type SubscriptionChange } from './subscription-change.ts'
import type { Connection } from '../connections/connection.ts'
import type { ConnectionLifecycle } from '../connections/connection-lifecycle.ts'
import type { ConnectionRegistry } from '../connections/connection-registry.ts'
import { historySeqOf, userOf, type ConnectionState, type Resume } from '../connections/connection-state.ts'
import { boundOf } from '../positions/history-bound.ts'
import { tablesFor } from '../connections/table-view.ts'
import { oldHistoryOf, specOf } from '../old-shard/plan-replay.ts'
import type { OldShardReader } from '../old-shard/old-shard-reader.ts'
import type { LiveTables } from '../tables/live-tables.ts'
import type { StoredHistory } from '../log/history.ts'
import type { InterestRegistry } from '../interest-registry.ts'
import type { CommittedLog } from '../log/committed-log.ts'
import type { RevocationList } from '../revocation-list.ts'
import type { ShardContext } from '../shard-context.ts'
import { envelope, subscriptionsSet } from '../system-events.ts'

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
  readonly storedHistory: Pick<StoredHistory, 'recentFrom'>
  readonly tables: Pick<LiveTables, 'check' | 'continuesFrom'>
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
    const known = checkChange(this.#context, this.#parts, asking, change)
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

  #apply(
    connection: Connection,
    change: SubscriptionChange,
    resumed: Resume | null,
    isCovered: boolean,
  ): Result<null, RigelError> {
    const { lifecycle, log } = this.#parts
    const before = connection.filter
    const had = specOf(connection.state)
    const historySeq = oldHistoryOf(connection.state)
    const isKept = resumed !== null && (resumed.before !== null || resumed.seq >= log.floorSeq)
    const recovered = resumed === null ? null : isCovered && isKept && this.#mayReadSince(resumed, connection, change)
    const from = recovered === true ? (resumed?.before ?? null) : null
    const isOwn = recovered === true && resumed?.before === null
    const hasTables = isOwn && this.#hasTables(connection, change, resumed)
    const set = this.#set(connection, change, undefined, isOwn ? resumed.seq : log.committedSeq, hasTables)
    if (!set.ok) return set
    // First, so that its client's position stays where it is until the missed events have been sent.
    if (from !== null)
      connection.replayOldShard({ from, delivered: { filter: had, untilSeq: Infinity }, historySeq, isLate: true })
    connection.send(subscriptionsSet(envelope(this.#context), change.subscriptions, recovered))
    if (isOwn) lifecycle.rewind(connection, resumed.seq, before)
    return set
  }

  /** A client that came back, and subscribes to the same as before, gets what has changed in its tables since. */
  #hasTables({ state }: Connection, change: SubscriptionChange, { mark, seq }: Resume): boolean {
    const { grant, renewed, subscriptions } = change
    const view = { subscriptions, grant: (renewed ?? state).grant, lateGrant: grant ?? state.lateGrant ?? null }
    return this.#parts.tables.continuesFrom(view, seq, mark)
  }

  /** Returns whether nothing that it asks for from there on is history to the client, and may be kept from it. */
  #mayReadSince({ before, seq }: Resume, { state }: Connection, change: SubscriptionChange): boolean {
    if (!mayWithholdHistory(this.#rightsWith(state, change), change.subscriptions, state.owner.user !== null))
      return true
    return before === null ? historySeqOf(state) <= seq : oldHistoryOf(state) <= before.seq
  }

  /** A state that is older than its client's connection may be read from as far as one that a client connects with. */
  #boundJoin(
    { state }: Connection,
    change: SubscriptionChange,
    joined: Joined | undefined,
  ): { readonly joined: Joined | undefined; readonly historySeq?: number } {
    const rights = this.#rightsWith(state, change)
    const known = historySeqOf(state)
    if (joined === undefined || rights === undefined || joined.startSeq >= known) return { joined }
    const place = { place: { kind: 'gap' }, joined: { startSeq: joined.startSeq, joins: [], isGap: false } } as const
    const coming = {
      ...place,
      isByTime: false,
      subscriptions: change.subscriptions,
      isAddressed: state.owner.user !== null,
    }
    const bound = boundOf(this.#parts, rights, coming)
    if (bound.historySeq === undefined) return { joined }
    return bound.joined.isGap ? { joined: undefined } : { joined, historySeq: Math.min(known, bound.historySeq) }
  }

  #rightsWith({ grant, lateGrant }: ConnectionState, change: SubscriptionChange): FilterRights | undefined {
    const { typeRules } = this.#context.config
    return rightsOf(typeRules, [change.renewed ? change.renewed.grant : grant, change.grant ?? lateGrant])
  }

  /** What the client had subscribed to before goes on as it was; the rest begins where its state ends. */
  #applyJoin(connection: Connection, change: SubscriptionChange, found: Joined | undefined): Result<null, RigelError> {
    const before = connection.filter
    const { historySeq, joined } = this.#boundJoin(connection, change, found)
    const set = this.#set(connection, change, joined, this.#parts.log.committedSeq, false, historySeq)
    if (!set.ok) return set
    connection.send(subscriptionsSet(envelope(this.#context), change.subscriptions, joined !== undefined))
    if (joined !== undefined) this.#parts.lifecycle.rewind(connection, joined.startSeq, before)
    return set
  }

  /** Events of what is new are sent from `sinceSeq` on, unless the client has joined at a state of it. */
  #set(
    connection: Connection,
    { grant, inferred, principal, renewed, subscriptions }: SubscriptionChange,
    joined: Joined | undefined,
    sinceSeq: number,
    hasTables = false,
    historySeq = connection.state.historySeq,
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
      ...renewed,
      ...(historySeq === undefined ? {} : { historySeq }),
      ...(hasTables ? { tables: tablesFor(subscriptions, true) } : {}),
    })
    this.#context.wakeBy(connection.state.grantEndsAtMs ?? Infinity)
    return ok(null)
  }
}

/** What was subscribed to before is no part of the join. */
function newTypes(before: readonly Subscription[], { subscriptions }: SubscriptionChange): readonly string[] {
  const known = new Set(before.map((subscription) => JSON.stringify(subscription)))
  return subscriptions.filter((one) => !known.has(JSON.stringify(one))).map(({ eventType }) => eventType)
}
