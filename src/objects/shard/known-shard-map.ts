// A shard's copy of the shard map: SQL for `known_shard_map` and `shard_cuts`. The Directory sends each version. A
// shard that has got none asks for it once, when the first client connects. Used by admission, UserShard and
// maintenance.
import { logIncident } from '../../telemetry/incident-log.ts'
import { isCutOf, predatesReturn, type ShardCut } from '../../core/shard-map/coverage.ts'
import {
  canResumeFrom,
  connectingGroups,
  connectingShards,
  hasMoved,
  initialMap,
  isAdded,
  isGaining,
  isHome,
  type ShardMap,
} from '../../core/shard-map/shard-map.ts'
import { isSameChange } from '../../core/shard-map/change.ts'
import { groupOf, isShardNumber } from '../../core/shard-map/shard-number.ts'

/** Limits calls of the Directory for positions that the known map does not explain. */
const ASK_AGAIN_MS = 2_000

/** Clients come back by the hundred: that they do is stored once in this time. */
const STORE_AGAIN_MS = 1_000

export interface KnownShardMapDeps {
  readonly shard: number
  /** The number of shards while no map is known. */
  readonly guess: number
  /** Asks the Directory. */
  fetch(): Promise<ShardMap>
  /** Advances the head of the log, so that positions before and after differ. Returns the new head. */
  advanceLog(): number
  nowMs(): number
}

interface CutRow extends Record<string, SqlStorageValue> {
  old_shards: number
  new_shards: number
  seq: number
  /** Milliseconds since the epoch. Null: users have not moved yet, or a version before stored the row. */
  complete_ms: number | null
}

/** A change that brought users here. */
interface KnownCut extends ShardCut {
  readonly completeMs: number | null
}

export class KnownShardMap {
  readonly #sql: SqlStorage
  readonly #deps: KnownShardMapDeps
  #map: ShardMap
  /** By `from to seq`. The current change has only one entry. */
  #cuts: readonly KnownCut[]
  /** See `usersSince`. */
  #usersSince: number
  #askedMs = -Infinity
  /** See `resumedUntilMs`. */
  #resumedUntilMs: number

  constructor(sql: SqlStorage, deps: KnownShardMapDeps) {
    this.#sql = sql
    this.#deps = deps
    sql.exec(`
      CREATE TABLE IF NOT EXISTS known_shard_map (id INTEGER PRIMARY KEY, map TEXT NOT NULL);
      CREATE TABLE IF NOT EXISTS shard_cuts (old_shards INTEGER NOT NULL, new_shards INTEGER NOT NULL, seq INTEGER NOT NULL);
      CREATE TABLE IF NOT EXISTS old_resumed (id INTEGER PRIMARY KEY, until_ms INTEGER NOT NULL);
    `)
    const columns = sql.exec<{ name: string }>(`SELECT name FROM pragma_table_info('shard_cuts')`).toArray()
    if (!columns.some(({ name }) => name === 'complete_ms'))
      sql.exec('ALTER TABLE shard_cuts ADD COLUMN complete_ms INTEGER')
    const [row] = sql.exec<{ map: string }>('SELECT map FROM known_shard_map').toArray()
    this.#map = row === undefined ? initialMap(deps.guess, 0) : (JSON.parse(row.map) as ShardMap)
    this.#usersSince = this.#map.version
    this.#resumedUntilMs = sql.exec<{ ms: number }>('SELECT until_ms AS ms FROM old_resumed').toArray()[0]?.ms ?? 0
    this.#cuts = sql
      .exec<CutRow>('SELECT * FROM shard_cuts')
      .toArray()
      .map((cut) => ({ from: cut.old_shards, to: cut.new_shards, seq: cut.seq, completeMs: cut.complete_ms }))
  }

  get map(): ShardMap {
    return this.#map
  }

  /** Whether users move to this shard. If so, it stores all events that it is sent, for clients that will come. */
  get isGaining(): boolean {
    return isGaining(this.#map, this.#deps.shard)
  }

  /** Whether clients of this user connect to this shard. */
  isHome(user: string | null): boolean {
    return !this.#isOnAMap || isHome(this.#map, this.#deps.shard, user)
  }

  /** Only tests call other shards. Such a shard accepts any user. */
  get #isOnAMap(): boolean {
    return isShardNumber(this.#deps.shard)
  }

  /**
   * Whether a Worker with this map lacks a group, or has one that is gone: this map is newer. It has to choose again, or users
   * of a new group would stay in another one for as long as its isolate lives.
   */
  hasOtherGroups(than: ShardMap | undefined): boolean {
    if (than === undefined || than.version >= this.#map.version) return false
    return String(connectingGroups(than)) !== String(connectingGroups(this.#map))
  }

  /** Returns whether the map is newer than the known one, which it then replaces. */
  learn(map: ShardMap): boolean {
    if (map.version <= this.#map.version) return false
    if (map.change !== null && !isSameChange(map.change, this.#map.change)) this.#cutBy(map, map.change.from)
    this.#sql.exec('INSERT OR REPLACE INTO known_shard_map VALUES (0, ?)', JSON.stringify(map))
    const isSkipping = map.version > this.#map.version + 1
    const isOther =
      connectingShards(map) !== connectingShards(this.#map) || this.#isOpen(map) !== this.#isOpen(this.#map)
    if (isSkipping || isOther) this.#usersSince = map.version
    this.#map = map
    // Since now at the latest, followers write here what is for users who come.
    if (hasMoved(map)) this.#complete()
    return true
  }

  #isOpen(map: ShardMap): boolean {
    return connectingGroups(map).includes(groupOf(this.#deps.shard))
  }

  /** Asks the Directory if no map is known. If it does not answer, the guess is used. */
  async ensure(): Promise<void> {
    if (this.#map.version === 0 && this.#isOnAMap) await this.#refresh()
  }

  /**
   * Whether a client with a position of the shard `old` may resume here. Asks the Directory if the known map forbids
   * it.
   */
  async canResumeFrom(old: number, user: string | null): Promise<boolean> {
    if (!canResumeFrom(this.#map, old, this.#deps.shard, user)) await this.#refresh()
    const mayResume = canResumeFrom(this.#map, old, this.#deps.shard, user)
    if (mayResume) this.#noteResumed()
    return mayResume
  }

  /**
   * The time, in milliseconds since the epoch, after which no client has come with a position of an old shard's log; 0: none
   * has. Such a client may be cut before it gets a position of this log, and come back with the old one.
   */
  get resumedUntilMs(): number {
    return this.#resumedUntilMs
  }

  /** The version of the map by which the present users came here. Followers that route by it write here what is for them. */
  get usersSince(): number {
    return this.#usersSince
  }

  /**
   * Returns the change by which the user came here last, which is undefined for one who was always here. The log has what is
   * addressed to the user from `completeMs` on; null: a version before knew `seq` only.
   */
  cameBy(user: string): Pick<KnownCut, 'seq' | 'completeMs'> | undefined {
    return this.#cuts.findLast((cut) => isCutOf(cut, this.#deps.shard, user))
  }

  /** Whether a position is from before its user left this shard and came back. */
  predatesReturn(user: string | null, seq: number): boolean {
    return user !== null && predatesReturn(this.#cuts, this.#deps.shard, user, seq)
  }

  /** Durable before the client is answered: the process may die with all connections. */
  #noteResumed(): void {
    const nowMs = this.#deps.nowMs()
    if (nowMs <= this.#resumedUntilMs) return
    this.#resumedUntilMs = nowMs + STORE_AGAIN_MS
    this.#sql.exec('INSERT OR REPLACE INTO old_resumed VALUES (0, ?)', this.#resumedUntilMs)
  }

  async #refresh(): Promise<void> {
    const nowMs = this.#deps.nowMs()
    if (nowMs - this.#askedMs < ASK_AGAIN_MS) return
    this.#askedMs = nowMs
    try {
      this.learn(await this.#deps.fetch())
    } catch (error) {
      logIncident('the shard map could not be asked for', {}, { shard: this.#deps.shard, error: String(error) })
    }
  }

  /** A group that remains has always had what is for its users, also for those that another group loses to it. */
  #cutBy(map: ShardMap, from: number): void {
    const { shard } = this.#deps
    if (isAdded(map, shard)) return this.#cut(0, map.shards)
    if (map.change?.removedGroups === undefined && isGaining(map, shard)) this.#cut(from, map.shards)
  }

  #cut(from: number, to: number): void {
    const seq = this.#deps.advanceLog()
    this.#sql.exec('INSERT INTO shard_cuts (old_shards, new_shards, seq) VALUES (?, ?, ?)', from, to, seq)
    this.#cuts = [...this.#cuts, { from, to, seq, completeMs: null }]
  }

  #complete(): void {
    const last = this.#cuts.at(-1)
    if (last === undefined || last.completeMs !== null) return
    const completeMs = this.#deps.nowMs()
    this.#sql.exec('UPDATE shard_cuts SET complete_ms = ? WHERE seq = ?', completeMs, last.seq)
    this.#cuts = [...this.#cuts.slice(0, -1), { ...last, completeMs }]
  }
}
