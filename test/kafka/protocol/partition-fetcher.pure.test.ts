// A partition, read in pieces that the caller can hold: what came beyond its limit is kept, and only for the next piece.
import { beforeEach, describe, expect, it } from 'vitest'
import type { LogRecord } from '../../../src/core/events/kafka-record.ts'
import type { Api } from '../../../src/kafka/protocol/api/api.ts'
import { fetchRecords, type FetchRequest, type FetchResponse } from '../../../src/kafka/protocol/api/fetch.ts'
import { EARLIEST, listOffsets, type ListOffsetsRequest } from '../../../src/kafka/protocol/api/list-offsets.ts'
import type { PartitionLeader } from '../../../src/kafka/protocol/metadata-cache.ts'
import { BrokerError, isRetriable } from '../../../src/kafka/protocol/errors.ts'
import { PartitionFetcher, type FetcherCluster } from '../../../src/kafka/protocol/partition-fetcher.ts'
import { encodeBatch } from '../../../src/kafka/protocol/record-batch.ts'
import { utf8 } from './random.ts'

const ID = 'ab'.repeat(16)
const OTHER_ID = 'cd'.repeat(16)
const LIMITS = { maxWaitMs: 10, maxBytes: 100 }
const NOBODY = { producerId: -1, epoch: -1, sequence: -1 }

let answer: Partial<FetchResponse>
let topicId: string | null
let isThere: boolean
/** What was asked, with the newest version that was allowed. */
let asked: { request: FetchRequest; newest: number | undefined }[]
let fetcher: PartitionFetcher
let slept: number[]
/** Called before each answer to a fetch. */
let beforeAnswer: () => void

const cluster: FetcherCluster = {
  options: { sleep: async (ms) => void slept.push(ms) },
  async withLeader(_at, _lane, ask) {
    if (!isThere) return undefined
    const leader: PartitionLeader = { broker: { id: 1, host: 'kafka', port: 9092 }, epoch: 4, topicId }
    const send = async <Request, Response>(
      api: Api<Request, Response>,
      request: Request,
      _timeoutMs: number,
      newest?: number,
    ): Promise<Response> => {
      if (api.name === listOffsets.name) {
        const { timestamp } = request as ListOffsetsRequest
        return { errorCode: 0, offset: timestamp === EARLIEST ? 3 : 9 } as Response
      }
      expect(api.name).toBe(fetchRecords.name)
      asked.push({ request: request as FetchRequest, newest })
      beforeAnswer()
      return {
        errorCode: 0,
        throttledMs: 0,
        divergesAt: null,
        aborted: [],
        batches: new Uint8Array(),
        ...answer,
      } as Response
    }
    return ask({ send }, leader)
  },
}

beforeEach(() => {
  answer = {}
  topicId = ID
  isThere = true
  asked = []
  slept = []
  beforeAnswer = () => undefined
  fetcher = new PartitionFetcher(cluster)
})

const position = (offset: number, of: string | null = ID) => ({ topic: 'rig', partition: 0, offset, topicId: of })

function batchAt(baseOffset: number, values: readonly string[], headerBytes = 0, leaderEpoch = -1): Uint8Array {
  const headers = headerBytes > 0 ? [{ key: 'h', value: new Uint8Array(headerBytes) }] : []
  const records = values.map((value) => ({ topic: 'rig', value: utf8(value), timestampMs: 1, headers }))
  const bytes = encodeBatch(records, NOBODY, 'none').slice()
  new DataView(bytes.buffer).setBigInt64(0, BigInt(baseOffset))
  new DataView(bytes.buffer).setInt32(12, leaderEpoch)
  return bytes
}

const joined = (...parts: readonly Uint8Array[]): Uint8Array => Uint8Array.from(parts.flatMap((part) => [...part]))
const offsetsOf = (records: readonly LogRecord[]) => records.map(({ offset }) => offset)

async function read(offset: number, of: string | null = ID) {
  const fetched = await fetcher.fetch(position(offset, of), LIMITS)
  if (fetched.kind !== 'records') throw new Error(fetched.kind)
  return { offsets: offsetsOf(fetched.records), next: fetched.next, topicId: fetched.topicId }
}

describe('what is fetched', () => {
  it('comes with the life of the topic that it is of', async () => {
    answer = { batches: batchAt(5, ['a', 'b']) }
    expect(await read(5)).toEqual({ offsets: [5, 6], next: 7, topicId: ID })
    expect(asked).toMatchObject([{ request: { offset: 5, leaderEpoch: 4, topicId: ID }, newest: undefined }])
  })

  it('beyond the limit is kept for the fetch that follows, and asked for once', async () => {
    answer = {
      batches: batchAt(
        0,
        ['a', 'b', 'c', 'd'].map((value) => value.repeat(40)),
      ),
    }
    expect(await read(0)).toMatchObject({ offsets: [0, 1], next: 2 })
    expect(await read(2)).toMatchObject({ offsets: [2, 3], next: 4 })
    expect(asked).toHaveLength(1)
    answer = {}
    expect(await read(4)).toMatchObject({ offsets: [], next: 4 })
    expect(asked).toHaveLength(2)
  })

  it('is counted with its headers', async () => {
    answer = { batches: batchAt(0, ['a', 'b', 'c'], 60) }
    expect(await read(0)).toMatchObject({ offsets: [0], next: 1 })
  })

  it('is one record at least, whatever its size', async () => {
    answer = { batches: batchAt(0, ['x'.repeat(500), 'y']) }
    expect(await read(0)).toMatchObject({ offsets: [0], next: 1 })
  })

  it('and kept is not what another place, or another topic of that name, asks for', async () => {
    answer = {
      batches: batchAt(
        0,
        ['a', 'b', 'c'].map((value) => value.repeat(60)),
      ),
    }
    await read(0)
    expect(await read(0)).toMatchObject({ offsets: [0], next: 1 })
    topicId = OTHER_ID
    expect(await read(1, OTHER_ID)).toMatchObject({ offsets: [1], topicId: OTHER_ID })
    expect(asked).toHaveLength(3)
  })

  it('has the end behind what was passed over, so that a place moves on without records', async () => {
    const marker = batchAt(7, ['x'])
    answer = { batches: joined(batchAt(5, ['a', 'b']), marker), aborted: [] }
    expect(await read(7)).toMatchObject({ offsets: [7], next: 8 })
  })

  it('without a whole batch is an error, not the end of the log: it would be asked for again and again', async () => {
    answer = { batches: batchAt(5, ['a']).subarray(0, 40) }
    await expect(read(5)).rejects.toThrow(new RangeError('Kafka: rig/0 at 5: 40 bytes without a complete batch'))
    answer = { batches: batchAt(2, ['a']) }
    await expect(read(5)).rejects.toThrow('without a complete batch')
  })
})

describe('a place that the log does not have', () => {
  const range = { kind: 'offset_out_of_range', earliest: 3, latest: 9 }

  it('is told with where the log begins and ends', async () => {
    answer = { errorCode: 1 }
    expect(await fetcher.fetch(position(99), LIMITS)).toEqual({ ...range, topicId: ID })
  })

  it('and has again a moment later, of the same topic, is asked for again: to start anew would send all of it twice', async () => {
    answer = { errorCode: 1 }
    const error: unknown = await fetcher.fetch(position(5), LIMITS).catch((thrown: unknown) => thrown)
    expect(String(error)).toContain(
      'fetching rig/0 at 5: OFFSET_NOT_AVAILABLE (out of range, but the log now has 3 to 9',
    )
    expect(isRetriable(error)).toBe(true)
    topicId = null
    expect(await fetcher.fetch(position(5, null), LIMITS)).toEqual({ ...range, topicId: null })
  })

  it('is that of another life of the topic, without a fetch', async () => {
    topicId = OTHER_ID
    expect(await fetcher.fetch(position(5), LIMITS)).toEqual({ ...range, topicId: OTHER_ID })
    expect(asked).toEqual([])
  })

  it('is not that of a cluster that knows no ids: it is asked by name', async () => {
    topicId = null
    await read(5, null)
    expect(asked).toMatchObject([{ newest: 12 }])
  })

  it('of no such partition is a value; to ask for its ends is an error', async () => {
    isThere = false
    expect(await fetcher.fetch(position(5), LIMITS)).toEqual({ kind: 'unknown_topic_or_partition' })
    await expect(fetcher.offsets({ topic: 'rig', partition: 0 })).rejects.toThrow(
      'Kafka: the partition rig/0 does not exist',
    )
  })
})

describe('a log whose end was cut off', () => {
  const epochs = () => asked.map(({ request }) => request.lastFetchedEpoch)
  const readBatches = async () => {
    answer = { batches: joined(batchAt(5, ['a', 'b'], 0, 3), batchAt(7, ['c'], 0, 4)) }
    await read(5)
    answer = {}
  }

  it('is found out by the leader, who is told by whom the last record was written', async () => {
    await readBatches()
    await read(8)
    await read(8)
    expect(epochs()).toEqual([-1, 4, 4])
  })

  it('goes on where it was cut off, though it has the old place again: what is behind the cut is news', async () => {
    await readBatches()
    answer = { divergesAt: 6 }
    const cut = { kind: 'offset_out_of_range', earliest: 3, latest: 6, topicId: ID }
    expect(await fetcher.fetch(position(8), LIMITS)).toEqual(cut)
    answer = { batches: batchAt(6, ['news'], 0, 5) }
    expect(await read(6)).toMatchObject({ offsets: [6], next: 7 })
    expect(epochs()).toEqual([-1, 4, -1])
  })

  it('goes on before the old place, whatever the leader says, or it would be asked the same for ever', async () => {
    await readBatches()
    answer = { divergesAt: 20 }
    expect(await fetcher.fetch(position(8), LIMITS)).toMatchObject({ latest: 7 })
  })

  it('is not compared at another place, nor with another topic of the name', async () => {
    await readBatches()
    await read(7)
    topicId = OTHER_ID
    await read(8, OTHER_ID)
    expect(epochs()).toEqual([-1, -1, -1])
  })

  it('is asked without, of a leader that cannot compare: it says that the place is out of range', async () => {
    await readBatches()
    answer = { errorCode: 1 }
    beforeAnswer = () => asked.at(-1)?.request.lastFetchedEpoch === -1 && (answer = { batches: batchAt(8, ['d']) })
    expect(await read(8)).toMatchObject({ offsets: [8], next: 9 })
    expect(epochs()).toEqual([-1, 4, -1])
  })
})

describe('a broker that throttles us', () => {
  it('is asked again when the time is over that it wants: its answer is neither an error nor the end of the log', async () => {
    answer = { throttledMs: 9_000 }
    beforeAnswer = () => asked.length === 3 && (answer = { batches: batchAt(5, ['a', 'b']) })
    expect(await read(5)).toEqual({ offsets: [5, 6], next: 7, topicId: ID })
    expect(slept).toEqual([9_000, 9_000])
  })

  it('for ever is an error that says so, before an alarm has to end', async () => {
    answer = { throttledMs: 600_000 }
    const error = 'Kafka: fetching rig/0 at 5: THROTTLING_QUOTA_EXCEEDED (no records for 600000 ms)'
    await expect(read(5)).rejects.toThrow(error)
    expect(slept).toEqual([30_000, 30_000, 30_000])
  })
})

it('throws what the broker answers, with what was asked', async () => {
  answer = { errorCode: 29 }
  const error = new BrokerError(29, 'fetching rig/0 at 5')
  await expect(read(5)).rejects.toThrow(error)
  expect(error.message).toBe('Kafka: fetching rig/0 at 5: TOPIC_AUTHORIZATION_FAILED')
})

it('tells where a partition begins and ends', async () => {
  expect(await fetcher.offsets({ topic: 'rig', partition: 0 })).toEqual({ earliest: 3, latest: 9 })
})
