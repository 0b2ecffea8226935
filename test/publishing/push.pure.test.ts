// What a push becomes in the log, over a log that is a function of data: partitions that fail on their own, answers that
// get lost, senders that retry, split, rewind and overtake themselves.
import { describe, expect, it } from 'vitest'
import { makeConfig } from '../support/make-tokens.ts'
import { parseStructured } from '../../src/core/events/cloud-event.ts'
import type { NewRecord, ProducedRecord } from '../../src/core/events/kafka-record.ts'
import { partitionOf } from '../../src/core/events/partitioner.ts'
import type { SourcePosition } from '../../src/core/events/source-position.ts'
import { pushEvents, type PushItem } from '../../src/publishing/push.ts'
import { findDuplicates } from '../../src/objects/embedded-kafka/idempotency-keys.ts'
import type { KafkaLog } from '../../src/kafka/kafka-log.ts'

const config = makeConfig({})
const SENDER = { publisher: 'user c', connector: 'orders', hasUniqueIds: false }
const PARTITIONS = 4

interface ModelPartition {
  readonly records: NewRecord[]
  readonly keys: Map<string, number>
}

/** As the embedded log: a produce is one append a partition, each of which happens or does not. */
function makeLog(fails: () => boolean = () => false) {
  const partitions = new Map<string, ModelPartition>()
  const produced: NewRecord[] = []
  const never = () => Promise.reject(new Error('not asked'))
  const produce = async (records: readonly NewRecord[]): Promise<readonly ProducedRecord[]> => {
    produced.push(...records)
    const batches = Map.groupBy(
      records,
      ({ topic, key }) => `${topic}/${partitionOf(key ?? new Uint8Array(), PARTITIONS)}`,
    )
    const places = new Map<NewRecord | undefined, ProducedRecord>()
    let failed = false
    for (const [name, batch] of batches) {
      if (fails()) failed = true
      else for (const [index, place] of append(name, batch).entries()) places.set(batch[index], place)
    }
    // The answer of a produce that succeeded gets lost as well.
    if (failed || fails()) throw new Error('the log failed')
    return records.flatMap((record) => places.get(record) ?? [])
  }
  const append = (name: string, batch: readonly NewRecord[]): readonly ProducedRecord[] => {
    const log: ModelPartition = partitions.get(name) ?? { records: [], keys: new Map() }
    partitions.set(name, log)
    const keyed = batch.map(({ idempotencyKey = '' }) => ({
      timestampMs: 0,
      key: null,
      headers: [],
      value: null,
      idempotencyKey,
    }))
    const { places } = findDuplicates(keyed, log.records.length, (key) => log.keys.get(key))
    for (const [index, record] of batch.entries()) {
      if (places[index]?.duplicate) continue
      log.keys.set(record.idempotencyKey ?? '', log.records.length)
      log.records.push(record)
    }
    const [topic = '', partition] = name.split('/')
    return places.map(({ offset, duplicate }) => ({
      topic,
      partition: Number(partition),
      offset,
      timestampMs: 0,
      ...(duplicate ? { duplicate } : {}),
    }))
  }
  const log: KafkaLog = { wakesFollowers: true, partitions: never, offsets: never, fetch: never, produce }
  const stored = () =>
    [...partitions.values()].map(({ records }) => records.map(({ value }) => JSON.parse(text(value)) as Told))
  return { log, produced, stored }
}

interface Told {
  readonly source: string
  readonly data: { readonly from: string; readonly n: number }
}

const text = (bytes: Uint8Array | null | undefined) => new TextDecoder().decode(bytes ?? new Uint8Array())

function event(members: object, position: SourcePosition | null = null): PushItem {
  const parsed = parseStructured(JSON.stringify({ specversion: '1.0', id: '1', source: '/s', type: 't', ...members }))
  if (!parsed.ok) throw new Error(parsed.reason)
  return { kind: 'event', event: parsed.value, position }
}

const at = (topic: string, partition: number, offset: number): SourcePosition => ({
  topic,
  partition: String(partition),
  offset: String(offset),
})

function noEvent(value: string, position: SourcePosition | null = null): PushItem {
  const reason = { kind: 'not_a_cloud_event', message: 'not JSON' } as const
  return { kind: 'no_event', value: new TextEncoder().encode(value), headers: [], reason, position }
}

const push = (log: KafkaLog, pushed: readonly PushItem[], sender = SENDER) => pushEvents(log, config, sender, pushed, 7)
/** One push after the other; of each event whether it was stored before. */
async function duplicates(log: KafkaLog, ...pushes: readonly (readonly [readonly PushItem[], typeof SENDER])[]) {
  const places: ProducedRecord[] = []
  for (const [pushed, sender] of pushes) places.push(...(await push(log, pushed, sender)))
  return places.map(({ duplicate = false }) => duplicate)
}

describe('a pushed event is the same as another', () => {
  it.each<[string, PushItem, PushItem]>([
    ['by its position, whatever its id', event({ id: 'a' }, at('t', 0, 1)), event({ id: 'b' }, at('t', 0, 1))],
    ['by all it says, without a position', event({ id: 'a', data: 1 }), event({ id: 'a', data: 1 })],
    ['by what came, if it is none', noEvent('{'), noEvent('{')],
  ])('%s', async (_, first, second) => {
    const { log } = makeLog()
    expect(await duplicates(log, [[first], SENDER], [[second], SENDER])).toEqual([false, true])
  })

  it.each<[string, PushItem, PushItem]>([
    ['of another offset, whatever its id', event({}, at('t', 0, 1)), event({}, at('t', 0, 2))],
    ['of another partition', event({}, at('t', 0, 1)), event({}, at('t', 1, 1))],
    ['of another topic', event({}, at('t', 0, 1)), event({}, at('u', 0, 1))],
    ['with another id', event({ id: 'a' }), event({ id: 'b' })],
    ['of another source', event({ source: '/a' }), event({ source: '/b' })],
    // As Debezium does in a snapshot, and in MySQL's inserts of several rows; and RIG's tutorial.
    ['that says something else under the same id', event({ data: { row: 1 } }), event({ data: { row: 2 } })],
    ['that tells its position, where the other did not', event({}), event({}, at('t', 0, 1))],
    ['that is no event', event({}, null), noEvent('{')],
  ])('but not %s', async (_, first, second) => {
    const { log } = makeLog()
    expect(await duplicates(log, [[first], SENDER], [[second], SENDER])).toEqual([false, false])
  })

  it('by source and id, where the sender says that they are unique', async () => {
    const { log } = makeLog()
    const sender = { ...SENDER, hasUniqueIds: true }
    const written = [
      event({ id: 'a', data: 1 }),
      event({ id: 'a', data: 'written anew' }),
      event({ id: 'b', data: 1 }),
      event({ id: 'a', source: '/other' }),
      event({ source: '/a","b', id: 'c' }),
      event({ source: '/a', id: 'b","c' }),
    ]
    expect(await duplicates(log, [written, sender])).toEqual([false, true, false, false, false, false])
  })

  it.each([
    { ...SENDER, publisher: 'user d' },
    { ...SENDER, connector: 'payments' },
    { ...SENDER, publisher: 'user corders', connector: '' },
  ])('and never as one of %o', async (other) => {
    const { log } = makeLog()
    const [byPosition, byId] = [event({}, at('t', 0, 1)), event({ id: 'a' })]
    expect(await duplicates(log, [[byPosition, byId], other], [[byPosition, byId], SENDER])).not.toContain(true)
  })

  it('within one push', async () => {
    const { log } = makeLog()
    expect(await duplicates(log, [[event({}), event({}), event({ id: '2' })], SENDER])).toEqual([false, true, false])
  })
})

describe('the place of a pushed event', () => {
  it.each<[string, PushItem, string]>([
    ['its partition in the source, before its own key', event({ partitionkey: 'k' }, at('t', 3, 1)), 't/3'],
    ['its own key', event({ partitionkey: 'k' }), 'k'],
    ['its subject', event({ subject: 'order-1' }), 'order-1'],
    ['its source', event({}), '/s'],
    ['its connector, if it is no event', noEvent('x'), 'orders'],
  ])('is chosen by %s', async (_, pushed, key) => {
    const { log, produced } = makeLog()
    await push(log, [pushed])
    expect(text(produced[0]?.key)).toBe(key)
  })
})

describe('what is no event', () => {
  it('is a dead letter with its reason and origin, among events that are stored', async () => {
    const { log, produced } = makeLog()
    const places = await push(log, [event({}, at('t', 3, 1)), noEvent('{x', at('t', 3, 2)), event({}, at('t', 3, 3))])
    expect(places.map(({ topic, error }) => [topic, error])).toEqual([
      ['rig', undefined],
      ['rig-dead-letter', 'not a CloudEvent: not JSON'],
      ['rig', undefined],
    ])
    const headers = Object.fromEntries((produced[1]?.headers ?? []).map(({ key, value }) => [key, text(value)]))
    expect(text(produced[1]?.value)).toBe('{x')
    expect(headers).toEqual({
      'rigel-connector': 'orders',
      'rigel-reason': 'not a CloudEvent: not JSON',
      'rigel-reason-code': 'not_a_cloud_event',
      'rigel-topic': 't',
      'rigel-partition': '3',
      'rigel-offset': '2',
      'rigel-rule': 'none',
      'rigel-timestamp': '7',
    })
  })

  it('is told apart, and keeps its place, when it is too large for a dead letter', async () => {
    const { log, produced } = makeLog()
    const large = noEvent('x'.repeat(1_200_000), at('t', 3, 2))
    expect(await duplicates(log, [[large], SENDER], [[large], SENDER])).toEqual([false, true])
    expect(produced[0]?.value).toBeNull()
  })
})

/** Deterministic, so that a seed that fails can be run again. */
function makeRandom(seed: number) {
  let state = seed
  const random = () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return state / 2 ** 32
  }
  return { random, below: (limit: number) => Math.floor(random() * limit) }
}

const RECORDS = 60

/** Records of three partitions, as a task that has them all polls them: in order within each. */
function makeSource(random: () => number, hasPositions: boolean): readonly PushItem[] {
  const next = [0, 0, 0]
  return Array.from({ length: RECORDS }, (_, n) => {
    const partition = Math.floor(random() * next.length)
    // Gaps, as compaction leaves them.
    const offset = (next[partition] ?? 0) + Math.floor(random() * 3)
    next[partition] = offset + 1
    const position = hasPositions ? at('t', partition, offset) : null
    return event(
      { id: hasPositions ? '1' : `${n}`, source: `/p${partition}`, data: { from: `p${partition}`, n } },
      position,
    )
  })
}

/** False: it was given up, as by a task that crashes. */
async function retried(work: () => Promise<unknown>, random: () => number): Promise<boolean> {
  while (random() > 0.1) {
    if (await tried(work())) return true
  }
  return false
}

async function tried(work: Promise<unknown>): Promise<boolean> {
  return work.then(
    () => true,
    () => false,
  )
}

const seeds = Array.from({ length: 40 }, (_, seed) => seed)

describe('whatever fails between the partitions', () => {
  it.each([true, false])(
    'a sender that waits for its answer finds each once and in order (positions: %s)',
    async (hasPositions) => {
      for (const seed of seeds) {
        const { random, below } = makeRandom(seed)
        const { log, stored } = makeLog(() => random() < 0.25)
        const source = makeSource(random, hasPositions)
        let committed = 0
        while (committed < source.length) {
          // After a crash a task begins where it last committed, and its batches are cut anew.
          let next = committed
          while (next < source.length && random() > 0.1) {
            const end = next + 1 + below(12)
            if (!(await retried(() => push(log, source.slice(next, end)), random))) break
            next = end
            if (random() < 0.3) committed = next
          }
          if (next >= source.length) committed = next
        }
        const all = stored().flat()
        expect(
          all.map(({ data }) => data.n).toSorted((a, b) => a - b),
          `seed ${seed}`,
        ).toEqual(source.map((_, n) => n))
        for (const partition of stored()) {
          for (const from of ['p0', 'p1', 'p2']) {
            const order = partition.filter(({ data }) => data.from === from).map(({ data }) => data.n)
            expect(order, `seed ${seed}`).toEqual(order.toSorted((a, b) => a - b))
          }
        }
        const homes = ['p0', 'p1', 'p2'].map((from) =>
          stored().filter((one) => one.some(({ data }) => data.from === from)),
        )
        expect(
          homes.every((partitions) => partitions.length <= 1),
          `seed ${seed}`,
        ).toBe(true)
      }
    },
  )

  it('batches that overtake each other are stored once, and none is taken for one that was', async () => {
    for (const seed of seeds) {
      const { random, below } = makeRandom(seed)
      const { log, stored } = makeLog(() => random() < 0.2)
      const source = makeSource(random, true)
      const batches: (readonly PushItem[])[] = []
      for (let from = 0; from < source.length;) {
        const end = from + 1 + below(10)
        batches.push(source.slice(from, end))
        from = end
      }
      while (batches.length > 0) {
        const [batch = []] = batches.splice(below(batches.length), 1)
        const cut = below(batch.length + 1)
        const isDone = await tried(push(log, batch))
        // Retried as a whole, in two parts, or sent again although it was stored.
        if (!isDone || random() < 0.2)
          batches.push(...[batch.slice(0, cut), batch.slice(cut)].filter((part) => part.length > 0))
      }
      const all = stored().flat()
      expect(
        all.map(({ data }) => data.n).toSorted((a, b) => a - b),
        `seed ${seed}`,
      ).toEqual(source.map((_, n) => n))
    }
  })
})
