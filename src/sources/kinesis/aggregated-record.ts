// Splits records that Amazon's Kinesis Producer Library has aggregated (several records of a producer in one record of
// the stream): https://github.com/awslabs/amazon-kinesis-producer/blob/master/aggregation-format.md. Amazon's consumer
// library, which RIG uses, does the same.
import { decodeUtf8 } from '../../core/text.ts'

const MAGIC = [0xf3, 0x89, 0x9a, 0xc2]
const DIGEST_BYTES = 16

/** One record of a producer. */
export interface UserRecord {
  readonly key: string
  readonly data: Uint8Array
}

/** WebCrypto of Workers has MD5, that of Node has not: tests in Node pass another digest. */
async function md5(bytes: Uint8Array): Promise<Uint8Array> {
  return new Uint8Array(await crypto.subtle.digest('MD5', bytes))
}

/**
 * Returns the producer's records, or null if the data is one record itself. They are read one by one: a record of the stream has
 * up to 10 MiB, and can hold millions of six bytes each.
 */
export async function splitAggregated(data: Uint8Array, digestOf = md5): Promise<Iterable<UserRecord> | null> {
  if (data.length < MAGIC.length + DIGEST_BYTES || MAGIC.some((byte, at) => data[at] !== byte)) return null
  const message = data.subarray(MAGIC.length, data.length - DIGEST_BYTES)
  const digest = await digestOf(message)
  const given = data.subarray(data.length - DIGEST_BYTES)
  // Data that begins with the magic bytes by chance is one plain record. Amazon's consumer library decides likewise.
  if (digest.some((byte, at) => byte !== given[at])) return null
  return parseMessage(message)
}

/** Fields of AggregatedRecord and Record. */
const KEYS = 1
const RECORDS = 3
const KEY_INDEX = 1
const DATA = 3

/** A record of 10 MiB has as many if each of its records has 40 bytes. */
const MAX_KEYS = 262_144

/** Returns null if the message cannot be parsed although its digest is right: then the data is one plain record. */
function parseMessage(message: Uint8Array): Iterable<UserRecord> | null {
  const keys: string[] = []
  let count = 0
  for (const field of readFields(message)) {
    if (field === null) return null
    if (field.number === KEYS) keys.push(decodeUtf8(field.bytes) ?? '')
    if (field.number === RECORDS) count += 1
    if (keys.length > MAX_KEYS) return null
  }
  let readable = 0
  for (const _ of userRecords(message, keys)) readable += 1
  return readable === count ? { [Symbol.iterator]: () => userRecords(message, keys) } : null
}

/** Yields records up to the first that cannot be parsed, or whose key is not there. */
function* userRecords(message: Uint8Array, keys: readonly string[]): Generator<UserRecord, void> {
  for (const field of readFields(message)) {
    if (field?.number !== RECORDS) continue
    const record = toUserRecord(field.bytes, keys)
    if (record === null) return
    yield record
  }
}

function toUserRecord(message: Uint8Array, keys: readonly string[]): UserRecord | null {
  let index = 0
  let data: Uint8Array | undefined
  for (const field of readFields(message)) {
    if (field === null) return null
    if (field.number === KEY_INDEX) index = field.value
    if (field.number === DATA) data = field.bytes
  }
  const key = keys[index]
  return data === undefined || key === undefined ? null : { key, data }
}

/** A field of a Protobuf message. Varints have a `value`, length-delimited fields have `bytes`. */
interface MessageField {
  readonly number: number
  readonly value: number
  readonly bytes: Uint8Array
}

const NO_BYTES = new Uint8Array()

/** Yields varints and length-delimited fields. Yields null, and ends, at any other wire type and where the message is cut off. */
function* readFields(message: Uint8Array): Generator<MessageField | null, void> {
  let at = 0
  const varint = (): number => {
    let value = 0
    for (let factor = 1; at < message.length; factor *= 128) {
      const byte = message[at++] ?? 0
      value += (byte % 128) * factor
      if (byte < 128) return value
    }
    return Number.NaN
  }
  while (at < message.length) {
    const tag = varint()
    const value = varint()
    const number = Math.floor(tag / 8)
    const isBytes = tag % 8 === 2 && at + value <= message.length
    if (Number.isNaN(value) || (tag % 8 !== 0 && !isBytes)) {
      yield null
      return
    }
    yield isBytes ? { number, value: 0, bytes: message.subarray(at, at + value) } : { number, value, bytes: NO_BYTES }
    if (isBytes) at += value
  }
}
