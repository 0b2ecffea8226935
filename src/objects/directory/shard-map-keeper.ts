// Stores the shard map and advances a change from phase to phase: SQL for `shard_map`. Each step sends the map to
// every follower and shard; the next phase begins when all have confirmed. Calls and the clock are arguments. Used by
// directory.ts.
import { allShardsOf, initialMap, type ShardMap } from '../../core/shard-map/shard-map.ts'
import { advance, isSteady, wantGroups, wantShards, type ChangeProgress } from '../../core/shard-map/change.ts'
import { logIncident } from '../../telemetry/incident-log.ts'
import { ok, type Result } from '../../core/result.ts'
import type { ShardChangeStatus } from '../../rpc/directory.ts'
import { NO_ANSWERS, noConfirmation, type MapConfirmation } from './map-confirmation.ts'

/** How often followers and shards are called while a confirmation is missing. */
const ASK_EVERY_MS = 1_000

/** How often shards are called for the number of connections that have not moved, during dual writes. */
const LOOK_EVERY_MS = 5_000

export interface ShardMapKeeperDeps {
  /** The variable SHARDS. It only has an effect when it changes. */
  readonly variable: number
  /** The numbers of the groups that SHARD_GROUPS names besides the default one. */
  readonly groups: readonly number[]
  /** LOG_RETENTION_SECONDS, in milliseconds. */
  readonly retentionMs: number
  tellFollowers(map: ShardMap): Promise<MapConfirmation>
  tellShards(map: ShardMap, shards: readonly number[]): Promise<MapConfirmation>
  nowMs(): number
  /** Calls `step` at this time at the latest, also after a restart. */
  wakeBy(atMs: number): void
}

interface MapRow extends Record<string, SqlStorageValue> {
  map: string
  variable: number
  none_left_since_ms: number | null
}

export class ShardMapKeeper {
  readonly #sql: SqlStorage
  readonly #deps: ShardMapKeeperDeps
  #map: ShardMap
  /** Since when no old shard has a connection of a moved user. Null: some have, or it is not known. */
  #noneLeftSinceMs: number | null
  /** The value of SHARDS that was taken last. */
  #variable: number
  /** Why a variable is not taken yet. */
  #refusal: string | null = null
  #followers = NO_ANSWERS
  #shards = NO_ANSWERS
  #isStepping = false

  constructor(sql: SqlStorage, deps: ShardMapKeeperDeps) {
    this.#sql = sql
    this.#deps = deps
    sql.exec(
      'CREATE TABLE IF NOT EXISTS shard_map (id INTEGER PRIMARY KEY, map TEXT NOT NULL, variable INTEGER NOT NULL, none_left_since_ms INTEGER)',
    )
    const [row] = sql.exec<MapRow>('SELECT map, variable, none_left_since_ms FROM shard_map').toArray()
    this.#map = row === undefined ? initialMap(deps.variable) : (JSON.parse(row.map) as ShardMap)
    this.#noneLeftSinceMs = row?.none_left_since_ms ?? null
    this.#variable = row?.variable ?? deps.variable
    const map = this.#asDeployed(this.#map)
    if (row !== undefined && wantsTheSame(map, this.#map) && row.variable === this.#variable) return
    this.#store(map)
    if (!isSteady(map)) this.#deps.wakeBy(this.#deps.nowMs())
  }

  get map(): ShardMap {
    return this.#map
  }

  /** Asks for another number of shards. */
  want(shards: number): Result<ShardMap, string> {
    const wanted = wantShards(this.#map, shards)
    if (!wanted.ok) return wanted
    // It is newer than what a deploy has asked for.
    this.#variable = this.#deps.variable
    this.#store(wanted.value)
    if (!this.#isSettled) this.#deps.wakeBy(this.#deps.nowMs())
    return ok(this.#map)
  }

  /** Takes the map of a shard, if it is newer: this storage is new, and replaces one that was lost. */
  adopt(newest: ShardMap): void {
    const { shards, version, wanted } = this.#map
    if (newest.version <= version) return
    // Keeps a number that was requested meanwhile.
    this.#store({ ...newest, wanted: wanted === shards ? newest.wanted : wanted })
    this.#deps.wakeBy(this.#deps.nowMs())
  }

  /** Continues a change that nothing continues: an alarm that has failed several times is given up. */
  resume(): void {
    if (!this.#isStepping && !isSteady(this.#map)) this.#deps.wakeBy(this.#deps.nowMs())
  }

  /** Does what can be done now, and asks to be called again if there is more. */
  async step(): Promise<void> {
    if (this.#isStepping || this.#isSettled) return
    this.#isStepping = true
    try {
      await this.#takeStep()
    } finally {
      this.#isStepping = false
      this.#wakeAgain()
    }
  }

  status(): ShardChangeStatus {
    const { map } = this
    const { retentionMs } = this.#deps
    const isMoving = map.change?.phase === 'moving'
    const since = this.#movedSinceMs
    return {
      map,
      followers: { confirmed: this.#followers.confirmed, of: this.#followers.of },
      shards: { confirmed: this.#shards.confirmed, of: this.#shards.of },
      connectionsToMove: isMoving ? this.#shards.leaving : 0,
      bothWrittenUntilMs: isMoving && since !== null ? since + retentionMs : null,
      problem: this.#followers.problem ?? this.#shards.problem ?? this.#refusal,
    }
  }

  /**
   * A client that came to its new shard with a position of the old log may have been cut before it got another one, and may
   * come back with it within the retention. One that comes again and again with an old position delays no longer than that.
   */
  get #movedSinceMs(): number | null {
    const since = this.#noneLeftSinceMs
    if (since === null) return null
    return Math.max(since, Math.min(this.#shards.resumedUntilMs, since + this.#deps.retentionMs))
  }

  get #isSettled(): boolean {
    const { version } = this.#map
    if (!isSteady(this.#map)) return false
    // Version 1 is what all begin with.
    return version === 1 || (this.#followers.lowest >= version && this.#shards.lowest >= version)
  }

  async #takeStep(): Promise<void> {
    const deps = this.#deps
    const map = this.#map
    const all = allShardsOf(map)
    const isFollowed = this.#followers.lowest >= map.version
    const [followers, shards] = await Promise.all([
      isFollowed ? this.#followers : deps.tellFollowers(map).catch(noConfirmation),
      deps.tellShards(map, all),
    ])
    this.#followers = followers
    this.#shards = shards
    const newest = [followers.newest, shards.newest].find((one) => (one?.version ?? 0) > this.#map.version)
    if (newest !== undefined && newest !== null) return this.#store({ ...newest, wanted: this.#map.wanted })
    // Keeps a number that was requested meanwhile.
    if (this.#map.version !== map.version) return
    this.#countLeaving(shards, map)
    const progress: ChangeProgress = {
      followers: followers.lowest,
      shards: shards.lowest,
      movedSinceMs: this.#movedSinceMs,
      nowMs: deps.nowMs(),
      retentionMs: deps.retentionMs,
    }
    const next = advance(this.#map, progress)
    if (next !== this.#map) this.#store(next)
  }

  /** From when all shards know that users have moved, no connection of a moved user is opened at an old shard. */
  #countLeaving({ leaving, lowest }: MapConfirmation, map: ShardMap): void {
    const isOver = map.change?.phase === 'moving' && lowest >= map.version && leaving === 0
    if (isOver && this.#noneLeftSinceMs === null) {
      this.#noneLeftSinceMs = this.#deps.nowMs()
      this.#store(this.#map)
    }
  }

  #wakeAgain(): void {
    if (this.#isSettled) return
    const { map } = this
    const deps = this.#deps
    const nowMs = deps.nowMs()
    const isConfirmed = this.#followers.lowest >= map.version && this.#shards.lowest >= map.version
    // A new phase is told at once.
    const isNew = this.#followers.lowest < map.version && this.#shards.lowest < map.version
    if (isNew && this.#followers.problem === null && this.#shards.problem === null) return deps.wakeBy(nowMs)
    deps.wakeBy(nowMs + (isConfirmed && map.change?.phase === 'moving' ? this.#lookAgainMs() : ASK_EVERY_MS))
  }

  #lookAgainMs(): number {
    const since = this.#movedSinceMs
    if (since === null) return ASK_EVERY_MS
    return Math.max(0, Math.min(LOOK_EVERY_MS, since + this.#deps.retentionMs - this.#deps.nowMs()))
  }

  /**
   * Returns the map with what SHARDS and SHARD_GROUPS ask for, also if it is the map of a shard or a follower. What there is no room
   * for yet is asked for again with each step: a change may be making room.
   */
  #asDeployed(map: ShardMap): ShardMap {
    const { groups, variable } = this.#deps
    const number = variable === this.#variable ? ok(map) : wantShards(map, variable)
    if (number.ok) this.#variable = variable
    const numbered = number.ok ? number.value : map
    const grouped = wantGroups(numbered, groups)
    if (!number.ok) this.#refuse(`SHARDS waits: ${number.reason}`)
    else if (!grouped.ok) this.#refuse(`SHARD_GROUPS waits until there are fewer shards or groups: ${grouped.reason}`)
    else this.#refusal = null
    return grouped.ok ? grouped.value : numbered
  }

  #refuse(reason: string): void {
    if (this.#refusal !== reason) logIncident('a variable of shards cannot be taken yet', {}, { reason })
    this.#refusal = reason
  }

  #store(other: ShardMap): void {
    const map = this.#asDeployed(other)
    if (map.version !== this.#map.version) {
      this.#noneLeftSinceMs = null
      console.log({ message: 'the shard map has changed', ...map })
    }
    this.#map = map
    this.#sql.exec(
      'INSERT OR REPLACE INTO shard_map VALUES (0, ?, ?, ?)',
      JSON.stringify(map),
      this.#variable,
      this.#noneLeftSinceMs,
    )
  }
}

function wantsTheSame(one: ShardMap, other: ShardMap): boolean {
  return one.wanted === other.wanted && String(one.wantedGroups ?? '') === String(other.wantedGroups ?? '')
}
