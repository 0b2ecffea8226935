// Closes the connections of users that have moved to another shard, a few at a time, so that clients do not reconnect
// all at once. An open connection still gets its events here. Called by maintenance.
import { isLosing } from '../../../core/shard-map/shard-map.ts'
import type { KnownShardMap } from '../known-shard-map.ts'
import type { Connection } from './connection.ts'
import type { ConnectionLifecycle } from './connection-lifecycle.ts'
import type { ConnectionRegistry } from './connection-registry.ts'

/** A full shard of 16,000 connections is left within 160 seconds. */
const CLOSED_AT_ONCE = 100
const CLOSE_AGAIN_MS = 1_000

export class LeavingConnections {
  readonly #shard: number
  readonly #connections: ConnectionRegistry
  readonly #lifecycle: ConnectionLifecycle
  readonly #shardMap: KnownShardMap

  constructor(shard: number, connections: ConnectionRegistry, lifecycle: ConnectionLifecycle, shardMap: KnownShardMap) {
    this.#shard = shard
    this.#connections = connections
    this.#lifecycle = lifecycle
    this.#shardMap = shardMap
  }

  count(): number {
    return this.#all().length
  }

  /** Returns when there are more to close, in milliseconds since the epoch; null: there are none. */
  endSome(nowMs: number): number | null {
    const leaving = this.#all()
    for (const connection of leaving.slice(0, CLOSED_AT_ONCE)) this.#lifecycle.end(connection, { kind: 'moved' })
    return leaving.length > CLOSED_AT_ONCE ? nowMs + CLOSE_AGAIN_MS : null
  }

  #all(): readonly Connection[] {
    if (!isLosing(this.#shardMap.map, this.#shard)) return []
    return [...this.#connections.all()].filter(({ state }) => !this.#shardMap.isHome(state.owner.user))
  }
}
