// Decides whether a connection may be opened, and creates its record: limits, end, interests, position to resume from.
// Called for every transport. `register` is also called for the interests of later subscriptions.
import { logIncident } from '../../../telemetry/incident-log.ts'
import { parsePosition } from '../../../core/identity/position.ts'
import type { LiveTables } from '../tables/live-tables.ts'
import type { AsOfJoins, JoinPlace, JoinWish } from '../subscriptions/as-of-joins.ts'
import type { ConnectRequest, Principal } from '../../../core/identity/principal.ts'
import type { RigelError } from '../../../core/errors.ts'
import { fail, ok, type Result } from '../../../core/result.ts'
import { checkRights, rightsOf } from '../../../core/rules/filter-rights.ts'
import { createFilter } from '../../../core/subscriptions/filter.ts'
import type { Subscription } from '../../../core/subscriptions/subscription.ts'
import type { ConnectionRegistry } from './connection-registry.ts'
import {
  openSeqOf,
  resumeAt,
  tablesFor,
  termOf,
  viewMarkOf,
  type ConnectionState,
  type Opening,
  type Resume,
  type Term,
} from './connection-state.ts'
import type { OldShardReplay } from '../old-shard/old-shard-replay.ts'
import { planReplay, planLateReplay } from '../old-shard/plan-replay.ts'
import type { KnownShardMap } from '../known-shard-map.ts'
import type { Resumption, Resumptions } from './resumption.ts'
import { bytesOf } from './subscription-pool.ts'
import type { InterestRegistry } from '../interest-registry.ts'
import type { StoredHistory, HistoryPlace } from '../log/history.ts'
import type { CommittedLog } from '../log/committed-log.ts'
import type { RevocationList } from '../revocation-list.ts'
import type { ShardContext } from '../shard-context.ts'
import type { Timers } from '../timers.ts'

const CONNECTION_ID_BYTES = 16

/**
 * A write to a connection that its client has left fails only after the network has said so: it is tried several
 * times.
 */
const MAX_PROBES = 8
const PROBE_WAIT_MS = 60
/** The most connections that are probed before a new one is refused: the oldest, which are most likely to be lost. */
const MAX_PROBED = 50

interface AdmissionPlaces {
  readonly shardMap: KnownShardMap
  readonly resumptions: Resumptions
  readonly history: Pick<StoredHistory, 'placeOf'>
  readonly tables: () => Pick<LiveTables, 'check' | 'coversSince' | 'want'>
}

export class ConnectionAdmission {
  readonly #context: ShardContext
  readonly #connections: ConnectionRegistry
  readonly #log: CommittedLog
  readonly #interests: InterestRegistry
  readonly #revocations: RevocationList
  readonly #timers: Timers
  readonly #asOfJoins: AsOfJoins
  readonly #shardMap: KnownShardMap
  readonly #resumptions: Resumptions
  readonly #history: Pick<StoredHistory, 'placeOf'>
  readonly #tables: AdmissionPlaces['tables']

  constructor(
    context: ShardContext,
    connections: ConnectionRegistry,
    log: CommittedLog,
    interests: InterestRegistry,
    revocations: RevocationList,
    timers: Timers,
    asOfJoins: AsOfJoins,
    { history, resumptions, shardMap, tables }: AdmissionPlaces,
  ) {
    this.#tables = tables
    this.#context = context
    this.#connections = connections
    this.#log = log
    this.#interests = interests
    this.#revocations = revocations
    this.#timers = timers
    this.#asOfJoins = asOfJoins
    this.#shardMap = shardMap
    this.#resumptions = resumptions
    this.#history = history
  }

  async admit(connect: ConnectRequest): Promise<Result<Opening, RigelError>> {
    const { lastEventId, principal, subscriptions } = connect
    const nowMs = this.#context.now()
    const home = await this.checkHome(connect)
    if (!home.ok) return home
    const { session } = principal
    if (session !== null && this.#revocations.has(session, nowMs)) return fail({ kind: 'session_revoked', session })
    const fits = this.checkBytes(subscriptions)
    if (!fits.ok) return fits
    const hasTables = this.#tables().check(subscriptions, connect.asOf)
    if (!hasTables.ok) return hasTables
    const rights = rightsOf(this.#context.config.typeRules, [connect.grant])
    const allowed = rights === undefined ? ok(null) : checkRights(rights, givenOf(connect))
    if (!allowed.ok) return allowed
    const admitted = await this.#admitAfterProbe(principal, nowMs)
    if (!admitted.ok) return admitted
    const term = termOf(principal, this.#context.config.connections.lifetimeMs, nowMs, this.#context.random())
    if (term === undefined) return fail({ kind: 'token_expired' })
    // Before interests are registered: of a type that is registered now, nothing is stored.
    const since = this.#placeSince(connect)
    const resumption = since === null ? await this.#findPosition(connect) : ok(ownPlaceOf(since, connect))
    if (!resumption.ok) return resumption
    const registered = await this.register(subscriptions)
    if (!registered.ok) return registered
    const isContinued = this.#continuesTables(connect, resumption.value)
    const joined = await this.#asOfJoins.placeOf(wishOf(connect), resumption.value.kind === 'own')
    if (!joined.ok) return joined
    // The session may have been revoked meanwhile; its connections have been closed without this one.
    if (session !== null && this.#revocations.has(session, nowMs)) return fail({ kind: 'session_revoked', session })
    // Or its user may have moved.
    if (!this.#shardMap.isHome(principal.user)) return fail({ kind: 'moved', map: this.#shardMap.map })
    const { isGap } = joined.value
    const found: Resumption = isGap ? { kind: 'gap' } : resumption.value
    const isCovered = found.kind !== 'gap' && found.isCovered
    // To a client that asks for everything, `completeSinceMs` says what that is.
    const isFresh = lastEventId === null && connect.asOf === undefined && !(connect.sinceMs ?? 0)
    const recovered = isFresh ? null : !isGap && ((lastEventId === null && since === null) || isCovered)
    const historySeq = since === null ? {} : { historySeq: this.#log.committedSeq }
    const tables = tablesFor(subscriptions, isContinued && found.kind === 'own')
    const begun = { ...this.#stateOf(connect, term, found, nowMs), ...historySeq, ...(tables && { tables }) }
    const opened = withJoin(begun, joined.value)
    const oldShardReplay = oldShardReplayOf(opened, found)
    const state = oldShardReplay === null ? opened : { ...opened, pinned: lastEventId }
    return ok({ connect, recovered, since, state, rewind: rewindOf(state), oldShardReplay })
  }

  /** Whether the client has its tables up to its position, so that it gets what has changed since. */
  #continuesTables({ grant, lastEventId, subscriptions }: ConnectRequest, found: Resumption): boolean {
    const mark = viewMarkOf({ subscriptions, grant })
    if (mark === undefined || found.kind !== 'own' || !found.isCovered) return false
    return parsePosition(lastEventId ?? '')?.mark === mark && this.#tables().coversSince(subscriptions, found.seq)
  }

  /**
   * Takes the Worker's map if it is newer. If it is older, the refusal has the newer map and the Worker calls another
   * shard.
   */
  async checkHome({
    principal,
    shardMap,
  }: Pick<ConnectRequest, 'principal' | 'shardMap'>): Promise<Result<null, RigelError>> {
    if (shardMap !== undefined && this.#shardMap.learn(shardMap)) this.#context.wakeBy(this.#context.now())
    await this.#shardMap.ensure()
    return this.#shardMap.isHome(principal.user) ? ok(null) : fail({ kind: 'moved', map: this.#shardMap.map })
  }

  #placeSince({ lastEventId, principal, sinceMs, subscriptions }: ConnectRequest): HistoryPlace | null {
    if (lastEventId !== null || sinceMs === undefined) return null
    return this.#history.placeOf(sinceMs, principal.user, subscriptions)
  }

  async #findPosition(connect: ConnectRequest): Promise<Result<Resumption, RigelError>> {
    const { inferred = [], lastEventId, principal, subscriptions } = connect
    if (lastEventId === null) return ok({ kind: 'gap' })
    const hasSubscribed = subscriptions.length > inferred.length
    try {
      return ok(await this.#resumptions.find(lastEventId, principal.user, subscriptions, hasSubscribed))
    } catch (error) {
      logIncident('the old shard of a client did not answer', {}, { error: String(error) })
      return fail({ kind: 'unavailable', message: 'Temporarily unavailable, come back.' })
    }
  }

  /**
   * MAX_SUBSCRIPTION_BYTES_PER_CONNECTION and MAX_SUBSCRIPTION_BYTES_PER_SHARD. `bytesBesides`: of sets that the
   * connection has already, and keeps.
   */
  checkBytes(subscriptions: readonly Subscription[], bytesBesides = 0): Result<null, RigelError> {
    const { subscriptionBytes, subscriptionBytesPerShard } = this.#context.config.connections
    const bytes = bytesOf(subscriptions) + bytesBesides
    if (bytes > subscriptionBytes)
      return fail({ kind: 'subscriptions_too_large', limitBytes: subscriptionBytes, gotBytes: bytes })
    if (this.#connections.heldBytesWith(subscriptions) > subscriptionBytesPerShard)
      return fail({ kind: 'unavailable', message: 'No more subscriptions fit into this shard: try again later.' })
    return ok(null)
  }

  /** Looks for lost connections first, so that a reloaded page is not refused because of its own earlier connection. */
  async #admitAfterProbe(principal: Principal, nowMs: number): Promise<Result<null, RigelError>> {
    for (let probes = 0; ; probes += 1) {
      const admitted = this.#connections.admit(principal, nowMs)
      if (admitted.ok || probes === MAX_PROBES || !isOwnLimit(admitted.reason)) return admitted
      for (const connection of this.#connections.countedWith(principal).slice(0, MAX_PROBED)) connection.probe()
      await new Promise<void>((resolve) => this.#timers.after(PROBE_WAIT_MS, resolve))
    }
  }

  #stateOf(connect: ConnectRequest, term: Term, found: Resumption, nowMs: number): ConnectionState {
    const { committedSeq } = this.#log
    const { user, session, expSeconds } = connect.principal
    return {
      ...term,
      id: this.#context.randomHex(CONNECTION_ID_BYTES),
      transport: connect.transport,
      owner: { user, sessions: session === null ? [] : [session], openedAtMs: nowMs, metadata: {} },
      hasToken: expSeconds !== null || user !== null,
      atPosition: connect.atPosition === true,
      subscriptions: connect.subscriptions,
      inferred: connect.inferred ?? [],
      startSeq: found.kind === 'own' ? found.seq : committedSeq,
      pinned: null,
      resume: resumeOf(found, committedSeq, nowMs, parsePosition(connect.lastEventId ?? '')?.mark),
      claimedBy: null,
      grantEndsAtMs: null,
      phoenix: connect.phoenix ?? null,
      ...(connect.grant === undefined ? {} : { grant: connect.grant }),
    }
  }

  /** Resolves when every follower sends events of these types to this shard. */
  async register(subscriptions: readonly Subscription[]): Promise<Result<null, RigelError>> {
    try {
      const registered = await this.#interests.register(subscriptions)
      if (!registered.ok) return registered
    } catch (error) {
      logIncident('interest not registered', {}, { shard: this.#context.shard, error: String(error) })
      return fail({ kind: 'unavailable', message: 'Subscriptions cannot be confirmed at the moment: try again.' })
    }
    this.#tables().want(subscriptions)
    await this.#log.settle()
    return ok(null)
  }
}

/** Subscriptions that such a client sends later get events from the same place on. */
function ownPlaceOf({ completeSinceMs, seq }: HistoryPlace, { sinceMs = 0 }: ConnectRequest): Resumption {
  const isCovered = completeSinceMs !== null && completeSinceMs <= sinceMs
  return { kind: 'own', seq, openSeq: seq, openBefore: null, isCovered }
}

/** Subscriptions that a token implies are not refused: what rules forbid of them is not delivered. */
export function givenOf({
  inferred = [],
  subscriptions,
}: Pick<ConnectRequest, 'inferred' | 'subscriptions'>): readonly Subscription[] {
  const implied = new Set(inferred.map((subscription) => JSON.stringify(subscription)))
  return subscriptions.filter((subscription) => !implied.has(JSON.stringify(subscription)))
}

function wishOf({ asOf, lastEventId, principal, subscriptions }: ConnectRequest): JoinWish {
  const eventTypes = subscriptions.map(({ eventType }) => eventType)
  return { lastEventId, asOf, eventTypes, hasUser: principal.user !== null }
}

function withJoin(state: ConnectionState, { joins, startSeq }: JoinPlace): ConnectionState {
  return { ...state, joins, startSeq: startSeq ?? state.startSeq }
}

function resumeOf(found: Resumption, committedSeq: number, nowMs: number, mark?: string): Resume | null {
  if (found.kind === 'gap') return null
  if (found.kind === 'own') return resumeAt(found.openSeq, found.openBefore, nowMs, mark)
  return resumeAt(committedSeq, { epoch: found.from.epoch, seq: found.openSeq }, nowMs)
}

function oldShardReplayOf(state: ConnectionState, found: Resumption): OldShardReplay | null {
  if (found.kind === 'own') return found.openBefore === null ? null : planLateReplay(state, found.openBefore)
  return found.kind === 'old' ? planReplay(state, { ...found.from, openSeq: found.openSeq }) : null
}

/** A client that dropped before it subscribed, and subscribes as it reconnects, gets the events that it missed. */
function rewindOf(state: ConnectionState): Opening['rewind'] {
  const { id, inferred, owner, resume, startSeq } = state
  if (resume === null || resume.before !== null || resume.seq === startSeq || openSeqOf(state, () => 0) !== null)
    return null
  return { seq: resume.seq, before: createFilter(id, owner.user, inferred) }
}

function isOwnLimit(reason: RigelError): boolean {
  return reason.kind === 'too_many_connections' && (reason.scope === 'user' || reason.scope === 'session')
}
