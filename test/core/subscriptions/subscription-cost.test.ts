// What is counted for a set of subscriptions must not be less than what it takes of the heap: measured with the real filter and index.
import { memoryUsage } from 'node:process'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { expect, it } from 'vitest'
import { createFilter } from '../../../src/core/subscriptions/filter.ts'
import { SubscriptionIndex } from '../../../src/core/subscriptions/subscription-index.ts'
import type { Subscription } from '../../../src/core/subscriptions/subscription.ts'
import { sizeOfMetadata } from '../../../src/objects/shard/connections/connection-index.ts'
import { SubscriptionPool } from '../../../src/objects/shard/connections/subscription-pool.ts'

setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc') as () => void

function heapBytes(): number {
  collect()
  return memoryUsage().heapUsed
}

/** What a connection takes in any case: it is not counted as subscriptions. */
const CONNECTION_BYTES = 400

/** Returns what the sets take, for what is counted. `make` is called with the connection and the number of the subscription. */
function factorOf(connections: number, subscriptions: number, make: (connection: number, n: number) => Subscription) {
  const before = heapBytes()
  const [pool, index] = [new SubscriptionPool(), new SubscriptionIndex()]
  const held: object[] = []
  for (let connection = 0; connection < connections; connection += 1) {
    // Parsed as from a request, so that nothing is shared.
    const json = JSON.stringify(Array.from({ length: subscriptions }, (_, n) => make(connection, n)))
    const set = pool.acquire(JSON.parse(json) as readonly Subscription[])
    const one = { set, filter: pool.share(set, createFilter(String(connection), null, set)) }
    index.add(one)
    held.push(one)
  }
  const used = heapBytes() - before - connections * CONNECTION_BYTES
  expect(held).toHaveLength(index.size)
  return used / pool.bytes
}

const values = (prefix: string, count: number) => Array.from({ length: count }, (_, k) => `${prefix}.${k}`)

it.each<[string, number, number, (connection: number, n: number) => Subscription]>([
  ['no constraints, all alike', 5_000, 10, (_, n) => ({ eventType: `t${n}`, oneOf: [] })],
  // Event types have a limit of their own.
  ['no constraints, all different', 1_000, 50, (c, n) => ({ eventType: `t${(c * 7 + n * 61) % 1_000}`, oneOf: [] })],
  ['constraints, all alike', 25, 25, (_, n) => ({ eventType: `t${n}`, oneOf: values(`${n}`, 30).map((f) => ({ f })) })],
  [
    'constraints, all different',
    25,
    25,
    (c, n) => ({ eventType: `t${n}`, oneOf: values(`${c}.${n}`, 30).map((f) => ({ f })) }),
  ],
  ['lists, all alike', 25, 25, (_, n) => ({ eventType: `t${n}`, oneOf: [{ f: { in: values(`${n}`, 60) } }] })],
  ['lists, all different', 25, 25, (c, n) => ({ eventType: `t${n}`, oneOf: [{ f: { in: values(`${c}.${n}`, 60) } }] })],
  [
    'long types, all different',
    200,
    20,
    (c, n) => ({ eventType: `${(c * 7 + n * 61) % 400}.`.padEnd(1_000, 'x'), oneOf: [] }),
  ],
  ['types past Latin-1', 500, 1, (c, n) => ({ eventType: `${c}.${n}.α`.padEnd(1_000, 'x'), oneOf: [] })],
  [
    'long values, all different',
    50,
    10,
    (c, n) => ({ eventType: `t${n}`, oneOf: [{ f: `${c}.${n}`.padEnd(2_000, 'x') }] }),
  ],
  [
    'long lists, all different',
    25,
    5,
    (c, n) => ({ eventType: `t${n}`, oneOf: [{ f: { in: values(`${c}.${n}`.padEnd(500, 'x'), 10) } }] }),
  ],
  [
    'bounds',
    200,
    10,
    (c, n) => ({ eventType: `t${n}`, oneOf: values('', 10).map((_, k) => ({ f: { gt: c * 100 + k } })) }),
  ],
])('%s', (_name, connections, subscriptions, make) => {
  factorOf(10, subscriptions, make)
  expect(factorOf(connections, subscriptions, make)).toBeLessThan(1.25)
})

it.each<[string, (n: number) => Readonly<Record<string, string | number>>]>([
  ['many short fields', (n) => Object.fromEntries(values(`${n}`, 200).map((name, k) => [name, k]))],
  ['many short texts', (n) => Object.fromEntries(values(`${n}`, 200).map((name) => [name, `${name}.`]))],
  ['a long text', (n) => ({ text: `${n}`.padEnd(4_000, 'x') })],
  ['a long text past Latin-1', (n) => ({ text: `α${n}`.padEnd(2_000, 'x') })],
])('metadata: %s', (_name, make) => {
  const before = heapBytes()
  const held = Array.from({ length: 500 }, (_, n) => JSON.parse(JSON.stringify(make(n))) as ReturnType<typeof make>)
  const used = heapBytes() - before
  expect(used / held.reduce((sum, metadata) => sum + sizeOfMetadata(metadata), 0)).toBeLessThan(1.25)
})
