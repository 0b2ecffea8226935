// How many MetricsStores there are: the shards of every group report to them.
import { expect, it } from 'vitest'
import { DURABLE_OBJECTS } from '../../src/config/bindings.ts'
import { configOf } from '../../src/config/parse-config.ts'
import { readMetrics } from '../../src/rpc/metrics.ts'

const JWT_SECRET_KEY = 'a test secret of 32 bytes or more'
const GROUPS = JSON.stringify([
  { name: 'eu', continents: ['EU'] },
  { name: 'us', continents: ['NA'] },
  { name: 'rest' },
])

/** Reads all figures. Returns the names of the objects that were asked. */
async function storesOf(variables: object): Promise<readonly string[]> {
  const names: string[] = []
  const getByName = (name: string) => {
    names.push(name)
    return { read: async () => ({ totals: [], sources: [], errors: [] }) }
  }
  const bindings = Object.fromEntries(DURABLE_OBJECTS.map((binding) => [binding, { getByName }]))
  const env = { JWT_SECRET_KEY, ...bindings, ...variables } as unknown as Env
  await readMetrics(env, configOf(env))
  return names
}

it.each([
  [{ SHARDS: '16' }, 1],
  [{ SHARDS: '17' }, 2],
  [{ SHARDS: '2048' }, 16],
  [{ SHARDS: '16', SHARD_GROUPS: GROUPS }, 3],
  [{ SHARDS: '2048', SHARD_GROUPS: GROUPS }, 16],
])('figures with %j are spread over %i objects', async (variables, count) => {
  expect(await storesOf(variables)).toEqual(Array.from({ length: count }, (_, store) => `metrics-${store}`))
})
