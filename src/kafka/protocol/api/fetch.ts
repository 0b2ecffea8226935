// Fetch (key 1): record batches of one partition from an offset on. Without fetch sessions (KIP-227), which only help clients
// that read many partitions.
import type { AbortedTransaction } from '../fetched-records.ts'
import { Reader } from '../reader.ts'
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
/** Tag of the field with the diverging epoch and its end offset (KIP-595). */
const DIVERGING_EPOCH = 0

/** The broker waits for this many bytes, up to `maxWaitMs`. One byte returns a record at once. */
const MIN_BYTES = 1

/** One partition. */
export interface FetchRequest {
  readonly topic: string
  /** Needed from version 13 on, which names topics by id only (KIP-516). */
  readonly topicId: string | null
  readonly partition: number
  readonly offset: number
  readonly leaderEpoch: number
  /** Leader epoch of the record before `offset`, to detect log truncation (KIP-595). −1 if unknown. */
  readonly lastFetchedEpoch: number
  readonly maxWaitMs: number
  readonly maxBytes: number
}

/** Result for the partition. */
export interface FetchResponse {
  readonly errorCode: number
  /** Milliseconds for which the broker mutes this connection (KIP-219). */
  readonly throttledMs: number
  /** The offset where the leader's log diverges from what was read; null if it does not. */
  readonly divergesAt: number | null
  readonly aborted: readonly AbortedTransaction[]
  /** Record batches. The last may be truncated. */
  readonly batches: Uint8Array
  /** The response was too large to be held: `batches` is only its beginning. */
  readonly isCutOff: boolean
}

const NO_BYTES = new Uint8Array()

/** Fetches with isolation level read_committed. */
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
  decode: (reader, version) => decodeFetch(reader, version, false),
  decodeStart: (reader, version) => decodeFetch(reader, version, true),
}

/** `isCutOff`: the bytes end within the batches, so that nothing behind them can be read. */
function decodeFetch(reader: Reader, version: number, isCutOff: boolean): FetchResponse {
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
      const batches = (isCutOff ? reader.availableBytes() : reader.nullableBytes()) ?? NO_BYTES
      const divergesAt = isCutOff ? null : readDivergingOffset(reader.endWith(DIVERGING_EPOCH))
      return { errorCode: partitionError, throttledMs: 0, divergesAt, aborted, batches, isCutOff }
    })
    if (!isCutOff) reader.end()
    return partitions
  })
  const only = topics[0]?.[0]
  if (errorCode === NO_ERROR && only !== undefined) return only
  const nothing = { throttledMs, divergesAt: null, aborted: [], batches: NO_BYTES, isCutOff: false }
  if (errorCode === NO_ERROR && throttledMs > 0) return { errorCode, ...nothing }
  return { errorCode: errorCode || (only?.errorCode ?? UNKNOWN_SERVER_ERROR), ...nothing, throttledMs: 0 }
}

function readDivergingOffset(field: Uint8Array | null): number | null {
  if (field === null) return null
  const reader = new Reader({ flexible: true }, field)
  reader.int32()
  const offset = reader.int64()
  return offset < 0 ? null : offset
}
