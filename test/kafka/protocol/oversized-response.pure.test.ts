// A batch that is larger than an isolate can hold: its response is read past, and one record says so in its place.
import { expect, it } from 'vitest'
import { BrokerConnection } from '../../../src/kafka/protocol/connection.ts'
import { PartitionFetcher, type FetcherCluster } from '../../../src/kafka/protocol/partition-fetcher.ts'
import type { BrokerSocket } from '../../../src/kafka/protocol/socket-port.ts'
import { Writer } from '../../../src/kafka/protocol/writer.ts'

const BATCH_BYTES = 60 * 1_048_576
const BASE_OFFSET = 7
const LAST_DELTA = 4

/** The start of a response to Fetch version 4, whose one batch has BATCH_BYTES. */
function startOf(correlationId: number): Uint8Array {
  const writer = new Writer({ flexible: false })
  writer.int32(0)
  writer.int32(correlationId)
  writer.int32(0)
  writer.array(['t'], (topic) => {
    writer.string(topic)
    writer.array([0], (partition) => {
      writer.int32(partition)
      writer.int16(0)
      writer.int64(100)
      writer.int64(100)
      writer.array([], () => undefined)
      writer.int32(BATCH_BYTES)
      writer.int64(BASE_OFFSET)
      writer.int32(BATCH_BYTES - 12)
      writer.int32(-1)
      writer.int8(2)
      writer.uint32(0)
      writer.int16(0)
      writer.int32(LAST_DELTA)
      writer.int64(1_000)
      writer.int64(2_000)
    })
  })
  const start = writer.finish()
  writer.patchInt32(0, start.length - 4 - (12 + 5 + 2 + 4 + 8 + 8) - 4 + BATCH_BYTES)
  return writer.finish().slice()
}

/** Answers each request with an endless response, and counts what is read of it. */
function makeSocket(): { readonly socket: BrokerSocket; readonly read: () => number } {
  let start = new Uint8Array()
  let at = 0
  let answer: () => void = () => undefined
  const isAsked = new Promise<void>((resolve) => (answer = resolve))
  const socket: BrokerSocket = {
    readExactly: async (count) => {
      await isAsked
      if (at > BATCH_BYTES) return new Promise(() => undefined)
      const bytes = new Uint8Array(count)
      bytes.set(start.subarray(at, at + count))
      at += count
      return bytes
    },
    write: async () => {
      start = new Uint8Array(startOf(1))
      answer()
    },
    close: () => undefined,
  }
  return { socket, read: () => at }
}

it('a batch that cannot be held becomes one record that says so, and the connection stays open', async () => {
  const { socket, read } = makeSocket()
  const connection = new BrokerConnection(socket, 'kafka:9092')
  const leader = { broker: { id: 1, host: 'kafka', port: 9092 }, epoch: -1, topicId: null }
  const cluster: FetcherCluster = {
    options: { sleep: async () => undefined },
    withLeader: (_at, _purpose, ask) => ask(connection, leader),
  }
  const fetched = await new PartitionFetcher(cluster).fetch(
    { topic: 't', partition: 0, offset: BASE_OFFSET },
    { maxWaitMs: 0, maxBytes: 1_000 },
  )
  if (fetched.kind !== 'records') throw new Error(fetched.kind)
  expect(fetched.next).toBe(BASE_OFFSET + LAST_DELTA + 1)
  expect(fetched.records).toMatchObject([{ offset: BASE_OFFSET, timestampMs: 2_000, value: null }])
  const [header] = fetched.records[0]?.headers ?? []
  expect(new TextDecoder().decode(header?.value)).toContain(
    `offsets 7 to 11 cannot be read: RangeError: the batch has ${BATCH_BYTES} bytes`,
  )
  expect(connection.isOpen).toBe(true)
  expect(read()).toBeGreaterThan(BATCH_BYTES)
  connection.close('the test is over')
})
