// A follower's copy of the shard map: SQL for `followed_shard_map`. `writesBy` reports by which version all sent
// events were routed: the Directory continues a change only when all followers write by its phase. Used by the objects
// that follow partitions.
import { initialMap, type ShardMap } from '../core/shard-map/shard-map.ts'
import { ShardRouting } from '../core/shard-map/routing.ts'

export class FollowedShardMap {
  readonly #sql: SqlStorage
  #routing: ShardRouting
  /**
   * The oldest version by which events were routed that may not have been stored by all shards; null: there are none.
   * 0 after a start, because it is not known what was sent before.
   */
  #outstanding: number | null = 0
  /** Events before this offset have been sent, perhaps not to all of their shards. Infinity: see `isEndWanted`. */
  #sentBefore = Infinity

  /** `guess`: the number of shards to assume while no map is known. */
  constructor(sql: SqlStorage, guess: number) {
    this.#sql = sql
    sql.exec('CREATE TABLE IF NOT EXISTS followed_shard_map (id INTEGER PRIMARY KEY, map TEXT NOT NULL)')
    const [row] = sql.exec<{ map: string }>('SELECT map FROM followed_shard_map').toArray()
    this.#routing = new ShardRouting(row === undefined ? initialMap(guess, 0) : (JSON.parse(row.map) as ShardMap))
  }

  /** If false, the follower must register with the Directory before it routes. */
  get isKnown(): boolean {
    return this.map.version > 0
  }

  get map(): ShardMap {
    return this.#routing.map
  }

  get routing(): ShardRouting {
    return this.#routing
  }

  /** Every sent event was routed by this version or a newer one, or has been stored by all of its shards. */
  get writesBy(): number {
    return this.#outstanding ?? this.map.version
  }

  /** Stores the map if it is newer. Directories of older versions send none. */
  apply(map: ShardMap | undefined): void {
    if (map === undefined || map.version <= this.map.version) return
    this.#sql.exec('INSERT OR REPLACE INTO followed_shard_map VALUES (0, ?)', JSON.stringify(map))
    this.#routing = new ShardRouting(map)
  }

  /**
   * Whether the end of the log is wanted, from a start on: what was sent before the start is before the end, and is sent
   * again. Without it only a log without new records shows that all of it has been sent again.
   */
  get isEndWanted(): boolean {
    return this.#outstanding === 0 && this.#sentBefore === Infinity
  }

  /** `end`: the end of the log now, or at some time since the start. */
  endFound(end: number): void {
    if (this.isEndWanted) this.#sentBefore = end
  }

  /** Call before events before `next` are sent, which were routed by the current map. */
  planned(next: number): void {
    if (this.#outstanding === null) this.#sentBefore = next
    else this.#sentBefore = Math.max(this.#sentBefore, next)
    this.#outstanding ??= this.map.version
  }

  /** Call when all shards have stored the events before `next`. */
  committed(next: number): void {
    if (next >= this.#sentBefore) this.#outstanding = null
  }

  /** Call when all shards have stored all events of the log. */
  caughtUp(): void {
    this.#outstanding = null
  }
}
