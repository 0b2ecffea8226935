// A shard that a test composes itself, with its own clock and limits, over the storage of an object that nothing else uses.
import { env } from 'cloudflare:workers'
import { runInDurableObject } from 'cloudflare:test'
import { configOf, type Config } from '../../src/config/parse-config.ts'
import { MetricCounts } from '../../src/core/metrics/metric-counts.ts'
import { openConnection } from '../../src/objects/shard/connections/open-connection.ts'
import { createShard, type Shard } from '../../src/objects/shard/create-shard.ts'
import type { ConnectRequest } from '../../src/core/identity/principal.ts'
import { connectRequest, newShard } from './shard-clients.ts'

export interface ComposedShard extends Shard {
  /** Milliseconds since the epoch. The test sets the time; the shard asks for its alarm, Infinity if it does not. */
  readonly clock: { nowMs: number; alarmAtMs: number }
  readonly connect: (wanted: Partial<ConnectRequest>) => Promise<Response>
}

/** `variables` are those of docs/configuration.md. */
export function inComposedShard<T>(
  variables: Readonly<Record<string, string>>,
  work: (shard: ComposedShard) => Promise<T>,
  random: () => number = () => 0,
): Promise<T> {
  return runInDurableObject(newShard(), async (_instance, state) => {
    const clock = { nowMs: 1_000_000, alarmAtMs: Infinity }
    const shard = createShard({
      shard: 20_000,
      config: configWith(variables),
      env,
      storage: state.storage,
      sockets: state,
      now: () => clock.nowMs,
      random,
      randomHex: (bytes) =>
        crypto
          .randomUUID()
          .replaceAll('-', '')
          .slice(0, 2 * bytes),
      uuid: () => crypto.randomUUID(),
      metrics: { counts: new MetricCounts(), touch: () => undefined },
      wakeBy: (atMs) => void (clock.alarmAtMs = Math.min(clock.alarmAtMs, atMs)),
      background: (promise) => state.waitUntil(promise),
    })
    return work({ ...shard, clock, connect: (wanted) => connect(shard, wanted) })
  })
}

function configWith(variables: Readonly<Record<string, string>>): Config {
  return configOf({ ...env, ...variables })
}

async function connect(shard: Shard, wanted: Partial<ConnectRequest>): Promise<Response> {
  const request = connectRequest(wanted)
  const transport = shard.transports[request.transport]
  const way = request.transport === 'longpolling' ? 'session' : 'socket'
  const opened = await openConnection(shard, request, way, (opening) => transport.open(opening))
  return opened.ok ? opened.value.response : transport.refuse(request, opened.reason)
}
