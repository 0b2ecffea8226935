// What every KafkaLog must do, whatever is behind it: run by the tests of its adapters here and in
// test/sources.
import { describe, expect, it } from 'vitest'
import type { NewRecord } from '../../src/core/events/kafka-record.ts'
import { partitionOf } from '../../src/core/events/partitioner.ts'
import type { KafkaLog } from '../../src/kafka/kafka-log.ts'

const bytes = (text: string) => new TextEncoder().encode(text)
const text = (value: Uint8Array | null) => (value === null ? null : new TextDecoder().decode(value))
const limits = { maxWaitMs: 0, maxBytes: 1_000_000 }

let topics = 0
const newTopic = (): string => `contract-${(topics += 1)}-${crypto.randomUUID()}`

async function recordsOf(log: KafkaLog, topic: string, partition: number, offset: number) {
  const fetched = await log.fetch({ topic, partition, offset }, limits)
  if (fetched.kind !== 'records') throw new Error(fetched.kind)
  return fetched.records
}

/** What a dialect cannot carry is not asked of it; all else is. */
export interface Carries {
  readonly headers: boolean
  /** Those of the producer. */
  readonly timestamps: boolean
  /** Where a topic is not made by the first produce: with all its partitions. */
  makeTopic?(topic: string): Promise<void>
  /** Four if absent. With one, there is nothing to choose by a key. */
  readonly partitions?: 1
  /** 0 if absent. */
  readonly firstOffset?: number
  /** False: the log does not number its records, so that neither what was produced nor the end has an offset. */
  readonly numbersRecords?: false
  /** Before the name of a topic; `nats:`. */
  readonly prefix?: string
}

export function kafkaLogContract(
  name: string,
  makeLog: () => KafkaLog | Promise<KafkaLog>,
  carries: Carries = { headers: true, timestamps: true },
): void {
  const { firstOffset: first = 0, numbersRecords = true, partitions = 4, prefix = '' } = carries
  const last = partitions - 1
  const newLogAndTopic = async () => {
    const topic = prefix + newTopic()
    const log = await makeLog()
    await carries.makeTopic?.(topic)
    return [log, topic] as const
  }

  describe(`KafkaLog over ${name}`, () => {
    it('gives back what was produced: key, headers, value, in order, from any offset', async () => {
      const [log, topic] = await newLogAndTopic()
      const records: NewRecord[] = [1, 2, 3].map((n) => ({
        topic,
        partition: last,
        key: bytes(`k${n}`),
        value: bytes(`v${n} ü`),
        headers: [
          { key: 'h', value: bytes(`x${n}`) },
          { key: 'h', value: bytes('again') },
        ],
      }))
      const places = await log.produce(records)
      expect(places).toMatchObject(
        [0, 1, 2].map((n) => (numbersRecords ? { topic, partition: last, offset: first + n } : { topic })),
      )
      const fetched = await recordsOf(log, topic, last, first + 1)
      expect(fetched.map((record) => [record.offset, text(record.key), text(record.value)])).toEqual([
        [first + 1, 'k2', 'v2 ü'],
        [first + 2, 'k3', 'v3 ü'],
      ])
      expect(fetched[0]?.headers.map((header) => [header.key, text(header.value)])).toEqual(
        carries.headers
          ? [
              ['h', 'x2'],
              ['h', 'again'],
            ]
          : [],
      )
    })

    it.runIf(carries.timestamps)('keeps the timestamps that records were produced with', async () => {
      const [log, topic] = await newLogAndTopic()
      const records = [1_001, 1_002].map((timestampMs) => ({ topic, partition: last, value: bytes('v'), timestampMs }))
      const places = await log.produce(records)
      expect(places.map(({ timestampMs }) => timestampMs)).toEqual([1_001, 1_002])
      expect((await recordsOf(log, topic, last, first)).map(({ timestampMs }) => timestampMs)).toEqual([1_001, 1_002])
    })

    it.runIf(partitions > 1)('puts a key where Kafka’s own clients would', async () => {
      const [log, topic] = await newLogAndTopic()
      const keys = Array.from({ length: 20 }, (_, n) => `user-${n}`)
      const places = await log.produce(keys.map((key) => ({ topic, key: bytes(key), value: bytes('v') })))
      expect(places.map(({ partition }) => partition)).toEqual(keys.map((key) => partitionOf(bytes(key), 4)))
    })

    it.runIf(numbersRecords)('knows its partitions and the range of their offsets', async () => {
      const [log, topic] = await newLogAndTopic()
      await log.produce([{ topic, partition: last, value: bytes('v') }])
      expect(await log.partitions(topic)).toEqual(Array.from({ length: partitions }, (_, n) => n))
      expect(await log.offsets(topic, last)).toMatchObject({ earliest: first, latest: first + 1 })
    })

    it('names its topics, where they are found by patterns', async () => {
      const [log, topic] = await newLogAndTopic()
      await log.produce([{ topic, partition: last, value: bytes('v') }])
      expect(await (log.topics?.() ?? [topic])).toContain(topic)
    })

    it.runIf(partitions > 1)('knows that a partition is empty', async () => {
      const [log, topic] = await newLogAndTopic()
      await log.produce([{ topic, partition: last, value: bytes('v') }])
      expect(await log.offsets(topic, 0)).toEqual({ earliest: 0, latest: 0 })
    })

    it('answers nothing at the end', async () => {
      const [log, topic] = await newLogAndTopic()
      await log.produce([{ topic, partition: 0, value: bytes('v') }])
      expect(await recordsOf(log, topic, 0, first + 1)).toEqual([])
    })

    it.runIf(numbersRecords)('says when an offset is past the end', async () => {
      const [log, topic] = await newLogAndTopic()
      await log.produce([{ topic, partition: 0, value: bytes('v') }])
      expect(await log.fetch({ topic, partition: 0, offset: first + 2 }, limits)).toMatchObject({
        kind: 'offset_out_of_range',
        earliest: first,
        latest: first + 1,
      })
    })

    it('answers a fetch that waits as soon as something is produced', async () => {
      const [log, topic] = await newLogAndTopic()
      await log.produce([{ topic, partition: 0, value: bytes('v0') }])
      const waiting = log.fetch({ topic, partition: 0, offset: first + 1 }, { maxWaitMs: 20_000, maxBytes: 1_000 })
      await log.produce([{ topic, partition: 0, value: bytes('v1') }])
      const fetched = await waiting
      expect(fetched.kind === 'records' && fetched.records.map((record) => text(record.value))).toEqual(['v1'])
    })
  })
}
