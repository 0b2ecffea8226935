// What the parts of a shard need from outside: configuration, storage, clock, randomness, alarm. The UserShard makes a
// context from the runtime; tests can make their own.
import { toHex } from '../../core/bytes.ts'
import type { MetricCounts } from '../../core/metrics/metric-counts.ts'
import { configOf, type Config } from '../../config/parse-config.ts'
import type { MetricsReporter } from '../../core/metrics/reporter.ts'
import { timerOf } from '../../rpc/metrics.ts'
import type { AlarmClock } from './alarm-clock.ts'

export interface ShardContext {
  /** The number in the object's name, `shard-<number>`. */
  readonly shard: number
  readonly config: Config
  /** Bindings, for calls to other objects. */
  readonly env: Env
  readonly storage: DurableObjectStorage
  /** Accepts and lists the hibernatable WebSockets of the object. */
  readonly sockets: Pick<DurableObjectState, 'acceptWebSocket' | 'getWebSockets'>
  /** Milliseconds since the epoch. */
  readonly now: () => number
  /** In [0, 1). */
  readonly random: () => number
  /** `bytes` random bytes in hex. */
  readonly randomHex: (bytes: number) => string
  readonly uuid: () => string
  /** Counters and histograms of the shard. `touch` after something was counted, or a gauge has changed. */
  readonly metrics: { readonly counts: MetricCounts; readonly touch: () => void }
  /** Sets the alarm to `atMs` unless it is set to an earlier time. */
  readonly wakeBy: (atMs: number) => void
  /** Keeps the object up until `work` has ended. `work` must not reject. */
  readonly background: (work: Promise<unknown>) => void
}

/** The context of the object that has this state. `runtime`: its clock and random numbers. */
export function createContext(
  state: DurableObjectState,
  env: Env,
  shard: number,
  alarm: AlarmClock,
  reporter: MetricsReporter,
  runtime: Pick<ShardContext, 'now' | 'random' | 'uuid'>,
): ShardContext {
  return {
    shard,
    config: configOf(env),
    env,
    storage: state.storage,
    sockets: state,
    ...runtime,
    randomHex,
    metrics: { counts: reporter.counts, touch: () => reporter.touch(timerOf(state)) },
    // Most connections change nothing, and a call of waitUntil costs as much as all else here for one that opens.
    wakeBy: (atMs) => {
      const set = alarm.wakeBy(atMs)
      if (set !== undefined) state.waitUntil(set)
    },
    background: (work) => state.waitUntil(work),
  }
}

function randomHex(bytes: number): string {
  return toHex(crypto.getRandomValues(new Uint8Array(bytes)))
}
