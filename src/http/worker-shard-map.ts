// An isolate's copy of the shard map. It begins with a guess, SHARDS and SHARD_GROUPS, so that no request waits for the Directory: a
// shard that a user has left answers with the newer map, and the Worker then calls the right shard.
import { logIncident } from '../telemetry/incident-log.ts'
import { sleep, withTimeout } from '../core/time/timeout.ts'
import { hasShard, initialMap, type ShardMap } from '../core/shard-map/shard-map.ts'
import { directoryStub } from '../rpc/directory.ts'

/** For this long after asking the Directory, the known map counts as the newest. */
const FRESH_MS = 1_000
const ASK_TIMEOUT_MS = 2_000
/** How often a request looks whether another one, which has asked, has the answer. */
const LOOK_EVERY_MS = 20

export class WorkerShardMap {
  readonly #env: Env
  #map: ShardMap
  #askedMs = -Infinity
  #isAsking = false

  constructor(env: Env, guess: number, groups: readonly number[] = []) {
    this.#env = env
    this.#map = initialMap(guess, 0, groups)
  }

  get map(): ShardMap {
    return this.#map
  }

  /** Returns whether the map is newer than the known one, which it then replaces. */
  learn(map: ShardMap | undefined): boolean {
    if (map === undefined || map.version <= this.#map.version) return false
    this.#map = map
    return true
  }

  /** Asks the Directory, for operations on all shards. While it is out of reach, the known map counts. */
  async newest(nowMs = Date.now()): Promise<ShardMap> {
    if (nowMs - this.#askedMs < FRESH_MS) return this.#whenAnswered()
    this.#askedMs = nowMs
    this.#isAsking = true
    try {
      this.learn(await withTimeout(directoryStub(this.#env).shardMap(), ASK_TIMEOUT_MS))
    } catch (error) {
      logIncident('the shard map could not be asked for, the known one is used', {}, { error: String(error) })
    } finally {
      this.#isAsking = false
    }
    return this.#map
  }

  /**
   * Another request has asked. Its promise is its own, and ends with it: this one looks by its own timer. Without the answer, clients
   * that come back together after a deploy would be told of a gap, all but the first.
   */
  async #whenAnswered(): Promise<ShardMap> {
    const untilMs = this.#askedMs + ASK_TIMEOUT_MS
    while (this.#isAsking && Date.now() < untilMs) await sleep(LOOK_EVERY_MS)
    return this.#map
  }

  /** Whether there is a shard of this number: to call another one would create it. */
  async has(shard: number): Promise<boolean> {
    return hasShard(this.#map, shard) || hasShard(await this.newest(), shard)
  }
}
