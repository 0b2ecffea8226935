// Fetch: record batches of one partition, from an offset on. Without fetch sessions: they save bytes for readers of many
// partitions, and a follower reads one.
import type { AbortedTransaction } from '../fetched-records.ts'
import { Reader } from '../wire.ts'
import { NO_ERROR, UNKNOWN_SERVER_ERROR } from '../errors.ts'
import type { Api } from './api.ts'

const READ_COMMITTED = 1
const CONSUMER = -1
const NO_SESSION = 0
const FULL_FETCH = -1
const NO_OFFSET = -1
const WITH_SESSIONS = 7
const WITH_RACKS = 11
const WITH_DIVERGING_EPOCHS = 12
const WITH_TOPIC_IDS = 13
/** Number of a tagged field: a leader's epoch, and the offset where it ends. */
const DIVERGING_EPOCH = 0

/** Smaller answers wait for more, up to `maxWaitMs`: one byte, so that news comes at once. */
const MIN_BYTES = 1

export interface FetchRequest {
  readonly topic: string
  /** With it, versions from 13 on can be spoken: they name topics by id only. */
  readonly topicId: string | null
  readonly partition: number
  readonly offset: number
  readonly leaderEpoch: number
  /** Of the record before `offset`, for a leader to see whether its log is another; −1: not known. */
  readonly lastFetchedEpoch: number
  readonly maxWaitMs: number
  readonly maxBytes: number
}

export interface FetchResponse {
  readonly errorCode: number
  /** More than 0: the broker answers nothing for so long, not even that there is nothing (KIP-219). */
  readonly throttledMs: number
  /** Where the leader's log became another than the one that was read; null: nothing is known of that. */
  readonly divergesAt: number | null
  readonly aborted: readonly AbortedTransaction[]
  /** Batches, the last of which may be cut off. */
  readonly batches: Uint8Array
}

const NO_BYTES = new Uint8Array()

export const fetchRecords: Api<FetchRequest, FetchResponse> = {
  name: 'Fetch',
  key: 1,
  versions: [4, 13],
  flexibleFrom: 12,
  encode(writer, { topic, topicId, partition, offset, ...request }, version) {
    const { lastFetchedEpoch, leaderEpoch, maxBytes, maxWaitMs } = request
    writer.int32(CONSUMER)
    writer.int32(maxWaitMs)
    writer.int32(MIN_BYTES)
    writer.int32(maxBytes)
    writer.int8(READ_COMMITTED)
    if (version >= WITH_SESSIONS) writer.int32(NO_SESSION)
    if (version >= WITH_SESSIONS) writer.int32(FULL_FETCH)
    writer.array([topic], (name) => {
      if (version >= WITH_TOPIC_IDS) writer.uuid(topicId ?? '')
      else writer.string(name)
      writer.array([partition], (index) => {
        writer.int32(index)
        if (version >= 9) writer.int32(leaderEpoch)
        writer.int64(offset)
        if (version >= WITH_DIVERGING_EPOCHS) writer.int32(lastFetchedEpoch)
        if (version >= 5) writer.int64(NO_OFFSET)
        writer.int32(maxBytes)
        writer.end()
      })
      writer.end()
    })
    if (version >= WITH_SESSIONS) writer.array([], () => undefined)
    if (version >= WITH_RACKS) writer.string('')
    writer.end()
  },
  decode(reader, version) {
    const throttledMs = reader.int32()
    const errorCode = version >= WITH_SESSIONS ? reader.int16() : NO_ERROR
    if (version >= WITH_SESSIONS) reader.int32()
    const topics = reader.array(() => {
      if (version >= WITH_TOPIC_IDS) reader.uuid()
      else reader.string()
      const partitions = reader.array(() => {
        reader.int32()
        const partitionError = reader.int16()
        // High watermark, last stable offset, start of the log.
        for (let n = 0; n < (version >= 5 ? 3 : 2); n += 1) reader.int64()
        const aborted = reader.array(() => {
          const transaction = { producerId: reader.int64(), firstOffset: reader.int64() }
          reader.end()
          return transaction
        })
        if (version >= WITH_RACKS) reader.int32()
        const batches = reader.nullableBytes() ?? NO_BYTES
        const divergesAt = readDivergingOffset(reader.endWith(DIVERGING_EPOCH))
        return { errorCode: partitionError, throttledMs: 0, divergesAt, aborted, batches }
      })
      reader.end()
      return partitions
    })
    const only = topics[0]?.[0]
    if (errorCode === NO_ERROR && only !== undefined) return only
    const nothing = { throttledMs, divergesAt: null, aborted: [], batches: NO_BYTES }
    if (errorCode === NO_ERROR && throttledMs > 0) return { errorCode, ...nothing }
    return { errorCode: errorCode || (only?.errorCode ?? UNKNOWN_SERVER_ERROR), ...nothing, throttledMs: 0 }
  },
}

function readDivergingOffset(field: Uint8Array | null): number | null {
  if (field === null) return null
  const reader = new Reader({ flexible: true }, field)
  reader.int32()
  const offset = reader.int64()
  return offset < 0 ? null : offset
}
