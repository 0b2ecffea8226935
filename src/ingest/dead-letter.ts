// What becomes of a record that is no event: itself, in the dead-letter topic, with its reason and origin in headers.
// Pure. A dead letter must never be what the broker refuses: it would be tried for ever, and its partition stand still.
import { sizeOfRecord, type LogRecord, type NewRecord, type RecordHeader } from '../core/log-record.ts'
import { describeReason, type DecodeReason } from './decode.ts'

/** Below the 1 MiB that Kafka takes of a record by default, its own framing included. */
const MAX_LETTER_BYTES = 1_000_000

/** A produce of many small letters: each is larger than its record, so a batch of them could outgrow what was fetched. */
const MAX_PARCEL_BYTES = 1_000_000

/** What was wrong may quote the record. */
const MAX_REASON_CHARS = 500

const encoder = new TextEncoder()

/** Too large to be produced with its headers: then what is left is its origin, by which it can be read where it came from. */
export function deadLetter(topic: string, record: LogRecord, reason: DecodeReason): NewRecord {
  const origin = originOf(record, reason)
  const { key, value } = record
  // Without its timestamp, which a topic may refuse as too old or too new: that stands among the headers.
  const letter: NewRecord = { topic, key, value, headers: [...record.headers, ...origin] }
  const bytes = sizeOfRecord(letter)
  if (bytes <= MAX_LETTER_BYTES) return letter
  return { topic, key: null, value: null, headers: [...origin, header('rigel-omitted-bytes', `${bytes}`)] }
}

/** In order, in parts that one produce can carry. */
export function* inParcels(letters: readonly NewRecord[]): Generator<readonly NewRecord[]> {
  let parcel: NewRecord[] = []
  let bytes = 0
  for (const letter of letters) {
    const size = sizeOfRecord(letter)
    if (parcel.length > 0 && bytes + size > MAX_PARCEL_BYTES) {
      yield parcel
      parcel = []
      bytes = 0
    }
    parcel.push(letter)
    bytes += size
  }
  if (parcel.length > 0) yield parcel
}

function originOf(record: LogRecord, reason: DecodeReason): readonly RecordHeader[] {
  return [
    header('rigel-reason', describeReason(reason).slice(0, MAX_REASON_CHARS)),
    header('rigel-reason-code', reason.kind),
    header('rigel-topic', record.topic),
    header('rigel-partition', String(record.partition)),
    header('rigel-offset', String(record.offset)),
    header('rigel-timestamp', String(record.timestampMs)),
  ]
}

function header(key: string, value: string): RecordHeader {
  return { key, value: encoder.encode(value) }
}

/** Parcel after parcel: the topic keeps their order. */
export async function produceInOrder(
  produce: (records: readonly NewRecord[]) => Promise<unknown>,
  letters: readonly NewRecord[],
): Promise<void> {
  for (const parcel of inParcels(letters)) await produce(parcel)
}
