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

/** Returns the producer's records, or null if the data is one record itself. */
export async function splitAggregated(data: Uint8Array, digestOf = md5): Promise<readonly UserRecord[] | null> {
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

/** Returns null if the message cannot be parsed although its digest is right: then the data is one plain record. */
function parseMessage(message: Uint8Array): readonly UserRecord[] | null {
  const fields = readFields(message)
  if (fields === null) return null
  const keys = fields.filter(({ number }) => number === KEYS).map(({ bytes }) => decodeUtf8(bytes) ?? '')
  const records: UserRecord[] = []
  for (const { bytes, number } of fields) {
    if (number !== RECORDS) continue
    const inner = readFields(bytes)
    const data = inner?.findLast((field) => field.number === DATA)
    const key = keys[inner?.findLast((field) => field.number === KEY_INDEX)?.value ?? 0]
    if (data === undefined || key === undefined) return null
    records.push({ key, data: data.bytes })
  }
  return records
}

/** A field of a Protobuf message. Varints have a `value`, length-delimited fields have `bytes`. */
interface MessageField {
  readonly number: number
  readonly value: number
  readonly bytes: Uint8Array
}

const NO_BYTES = new Uint8Array()

/** Reads varints and length-delimited fields. Returns null for any other wire type, and for a truncated message. */
function readFields(message: Uint8Array): readonly MessageField[] | null {
  const fields: MessageField[] = []
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
    if (Number.isNaN(value)) return null
    if (tag % 8 === 0) fields.push({ number, value, bytes: NO_BYTES })
    else if (tag % 8 === 2 && at + value <= message.length) {
      fields.push({ number, value: 0, bytes: message.subarray(at, at + value) })
      at += value
    } else return null
  }
  return fields
}
