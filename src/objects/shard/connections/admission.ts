// Decides whether a connection may be opened: limits, end, interests, position to resume from. opening.ts then makes its record.
// Called for every transport. `register` is also called for the interests of later subscriptions.
import { logIncident } from '../../../telemetry/incident-log.ts'
import { parsePosition } from '../../../core/identity/position.ts'
import type { LiveTables } from '../tables/live-tables.ts'
import type { AsOfJoins, JoinRequest } from '../subscriptions/as-of-joins.ts'
import type { ConnectRequest, Principal } from '../../../core/identity/principal.ts'
import type { RigelError } from '../../../core/errors.ts'
import { fail, ok, type Result } from '../../../core/result.ts'
import { checkRights, rightsOf, type FilterRights } from '../../../core/rules/filter-rights.ts'
import type { Subscription } from '../../../core/subscriptions/subscription.ts'
import type { ConnectionRegistry } from './connection-registry.ts'
import { termOf, type Opening } from './connection-state.ts'
import { boundOf } from '../positions/history-bound.ts'
import { openingOf } from './opening.ts'
import type { KnownShardMap } from '../known-shard-map.ts'
import type { Resumption, Resumptions } from '../positions/resumption.ts'
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

/**
 * The second half of a shard's memory for subscriptions is for sets that take no more than this: ten constraints, or fifty event types.
 * A few clients that ask for much must not keep all others out.
 */
const SMALL_SET_BYTES = 16_384

interface AdmissionParts {
  readonly connections: ConnectionRegistry
  readonly log: CommittedLog
  readonly interests: InterestRegistry
  readonly revocations: RevocationList
  readonly timers: Timers
  readonly asOfJoins: AsOfJoins
  readonly shardMap: KnownShardMap
  readonly resumptions: Resumptions
  readonly storedHistory: Pick<StoredHistory, 'placeOf' | 'recentFrom'>
  readonly tables: Pick<LiveTables, 'check' | 'continuesFrom' | 'want'>
}

export class ConnectionAdmission {
  readonly #context: ShardContext
  readonly #parts: AdmissionParts

  constructor(context: ShardContext, parts: AdmissionParts) {
    this.#context = context
    this.#parts = parts
  }

  async admit(connect: ConnectRequest): Promise<Result<Opening, RigelError>> {
    const { asOfJoins, log, revocations, shardMap, tables } = this.#parts
    const { principal, subscriptions } = connect
    const nowMs = this.#context.now()
    const home = await this.checkHome(connect)
    if (!home.ok) return home
    const { session } = principal
    if (session !== null && revocations.has(session, nowMs)) return fail({ kind: 'session_revoked', session })
    const fits = this.checkBytes(subscriptions)
    if (!fits.ok) return fits
    const areTables = tables.check(subscriptions, connect.asOf)
    if (!areTables.ok) return areTables
    const rights = rightsOf(this.#context.config.typeRules, [connect.grant])
    const allowed = rights === undefined ? ok(null) : checkRights(rights, givenOf(connect))
    if (!allowed.ok) return allowed
    const admitted = await this.#admitAfterProbe(principal, nowMs)
    if (!admitted.ok) return admitted
    const term = termOf(principal, this.#context.config.connections.lifetimeMs, nowMs, this.#context.random())
    if (term === undefined) return fail({ kind: 'token_expired' })
    // Before interests are registered: of a type that is registered now, nothing is stored.
    const since = this.#placeSince(connect)
    const resumption = since === null ? await this.#findPosition(connect, rights) : ok(ownPlaceOf(since, connect))
    if (!resumption.ok) return resumption
    const registered = await this.register(subscriptions)
    if (!registered.ok) return registered
    const hasTables = this.#hasTables(connect, resumption.value)
    const joined = await asOfJoins.placeOf(joinRequestOf(connect), resumption.value.kind === 'own')
    if (!joined.ok) return joined
    // The session may have been revoked meanwhile; its connections have been closed without this one.
    if (session !== null && revocations.has(session, nowMs)) return fail({ kind: 'session_revoked', session })
    // Or its user may have moved.
    if (!shardMap.isHome(principal.user)) return fail({ kind: 'moved', map: shardMap.map })
    const id = this.#context.randomHex(CONNECTION_ID_BYTES)
    const place = resumption.value
    const coming = {
      place,
      isByTime: since !== null,
      joined: joined.value,
      subscriptions,
      isAddressed: principal.user !== null,
    }
    const bound = boundOf({ log, storedHistory: this.#parts.storedHistory }, rights, coming)
    const found = { term, place, since, hasTables, ...bound }
    return ok(openingOf(connect, found, { id, nowMs, committedSeq: log.committedSeq }))
  }

  /**
   * Takes the Worker's map if it is newer. If it is older, the refusal has the newer map and the Worker calls another
   * shard.
   */
  async checkHome({
    principal,
    shardMap,
  }: Pick<ConnectRequest, 'principal' | 'shardMap'>): Promise<Result<null, RigelError>> {
    if (shardMap !== undefined && this.#parts.shardMap.learn(shardMap)) this.#context.wakeBy(this.#context.now())
    await this.#parts.shardMap.ensure()
    return this.#parts.shardMap.isHome(principal.user) && !this.#parts.shardMap.hasOtherGroups(shardMap)
      ? ok(null)
      : fail({ kind: 'moved', map: this.#parts.shardMap.map })
  }

  #hasTables({ grant, lastEventId, subscriptions }: ConnectRequest, found: Resumption): boolean {
    if (found.kind !== 'own' || !found.isCovered) return false
    const mark = parsePosition(lastEventId ?? '')?.mark
    return this.#parts.tables.continuesFrom({ subscriptions, grant }, found.seq, mark)
  }

  #placeSince({ lastEventId, principal, sinceMs, subscriptions }: ConnectRequest): HistoryPlace | null {
    if (lastEventId !== null || sinceMs === undefined) return null
    return this.#parts.storedHistory.placeOf(sinceMs, principal.user, subscriptions)
  }

  #findPosition(connect: ConnectRequest, rights: FilterRights | undefined): Promise<Result<Resumption, RigelError>> {
    const { inferred = [], lastEventId, principal, subscriptions } = connect
    const hasSubscribed = subscriptions.length > inferred.length
    const { user } = principal
    const resuming = { user, isAddressed: user !== null, subscriptions, hasSubscribed, rights }
    return this.#parts.resumptions.find(lastEventId, resuming)
  }

  /**
   * MAX_SUBSCRIPTION_BYTES_PER_CONNECTION and MAX_SUBSCRIPTION_BYTES_PER_SHARD. `bytesBesides`: of sets that the
   * connection has already, and keeps. `heapBytes`: what else comes with the set.
   */
  checkBytes(subscriptions: readonly Subscription[], bytesBesides = 0, heapBytes = 0): Result<null, RigelError> {
    const { subscriptionBytes, subscriptionBytesPerShard } = this.#context.config.connections
    const bytes = bytesOf(subscriptions) + bytesBesides
    if (bytes > subscriptionBytes)
      return fail({ kind: 'subscriptions_too_large', limitBytes: subscriptionBytes, gotBytes: bytes })
    const { connections } = this.#parts
    const costBytes = connections.costOf(subscriptions)
    const limitBytes = costBytes <= SMALL_SET_BYTES ? subscriptionBytesPerShard : subscriptionBytesPerShard / 2
    if (connections.heldBytes + costBytes + heapBytes > limitBytes)
      return fail({ kind: 'unavailable', message: 'No more subscriptions fit into this shard: try again later.' })
    return ok(null)
  }

  /** Looks for lost connections first, so that a reloaded page is not refused because of its own earlier connection. */
  async #admitAfterProbe(principal: Principal, nowMs: number): Promise<Result<null, RigelError>> {
    for (let probes = 0; ; probes += 1) {
      const admitted = this.#parts.connections.admit(principal, nowMs)
      if (admitted.ok || probes === MAX_PROBES || !isOwnLimit(admitted.reason)) return admitted
      for (const connection of this.#parts.connections.countedWith(principal).slice(0, MAX_PROBED)) connection.probe()
      await new Promise<void>((resolve) => this.#parts.timers.after(PROBE_WAIT_MS, resolve))
    }
  }

  /** Resolves when every follower sends events of these types to this shard. */
  async register(subscriptions: readonly Subscription[]): Promise<Result<null, RigelError>> {
    try {
      const registered = await this.#parts.interests.register(subscriptions)
      if (!registered.ok) return registered
    } catch (error) {
      logIncident('interest not registered', {}, { shard: this.#context.shard, error: String(error) })
      return fail({ kind: 'unavailable', message: 'Subscriptions cannot be confirmed at the moment: try again.' })
    }
    this.#parts.tables.want(subscriptions)
    await this.#parts.log.settle()
    return ok(null)
  }
}

/** Subscriptions that a token implies are not refused: what rules forbid of them is not delivered. */
export function givenOf({
  inferred = [],
  subscriptions,
}: Pick<ConnectRequest, 'inferred' | 'subscriptions'>): readonly Subscription[] {
  const implied = new Set(inferred.map((subscription) => JSON.stringify(subscription)))
  return subscriptions.filter((subscription) => !implied.has(JSON.stringify(subscription)))
}

/** Subscriptions that such a client sends later get events from the same place on. */
function ownPlaceOf({ completeSinceMs, seq }: HistoryPlace, { sinceMs = 0 }: ConnectRequest): Resumption {
  const isCovered = completeSinceMs !== null && completeSinceMs <= sinceMs
  return { kind: 'own', seq, openSeq: seq, openBefore: null, isCovered, sinceSeq: undefined, oldSinceSeq: undefined }
}

function joinRequestOf({ asOf, lastEventId, principal, subscriptions }: ConnectRequest): JoinRequest {
  const eventTypes = subscriptions.map(({ eventType }) => eventType)
  return { lastEventId, asOf, eventTypes, hasUser: principal.user !== null }
}

function isOwnLimit(reason: RigelError): boolean {
  return reason.kind === 'too_many_connections' && (reason.scope === 'user' || reason.scope === 'session')
}
