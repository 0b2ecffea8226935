// What becomes of a record that is no event: itself, in the dead-letter topic, with its reason and origin in headers.
// Pure. A dead letter must never be what the broker refuses: it would be tried for ever, and its partition stand still.
import { splitBySize } from '../core/split-by-size.ts'
import { sizeOfRecord, type LogRecord, type NewRecord, type RecordHeader } from '../core/events/kafka-record.ts'
import { describeDecodeError, type DecodeError } from '../decoding/decode-record.ts'

/** Below the 1 MiB that Kafka takes of a record by default, its own framing included. */
const MAX_DEAD_LETTER_BYTES = 1_000_000

/** A produce of many small letters: each is larger than its record, so a batch of them could outgrow what was fetched. */
const MAX_BATCH_BYTES = 1_000_000

/** What was wrong may quote the record. */
const MAX_REASON_CHARS = 500

/** Ours stand last: the record may have some of the same names. */
const ORIGIN_HEADERS = 6

/** As Kafka's error is called, and as REST proxies describe it: only the words come through the call of an object. */
const TOO_LARGE = /too[ _]large|larger than/i

const encoder = new TextEncoder()

/** Too large to be produced with its headers: then what is left is its origin, by which it can be read where it came from. */
export function deadLetter(topic: string, record: LogRecord, reason: DecodeError): NewRecord {
  const origin = originOf(record, reason)
  const { key, value } = record
  // Without its timestamp, which a topic may refuse as too old or too new: that stands among the headers.
  const letter: NewRecord = { topic, key, value, headers: [...record.headers, ...origin] }
  const bytes = sizeOfRecord(letter)
  if (bytes <= MAX_DEAD_LETTER_BYTES) return letter
  return withoutContent(letter)
}

function withoutContent(letter: NewRecord): NewRecord {
  const origin = (letter.headers ?? []).slice(-ORIGIN_HEADERS)
  const omitted = header('rigel-omitted-bytes', String(sizeOfRecord(letter)))
  return { topic: letter.topic, key: null, value: null, headers: [...origin, omitted] }
}

/** Yields the records in order, in parts that one produce can carry. */
export function splitForProduce(records: readonly NewRecord[]): Generator<readonly NewRecord[]> {
  return splitBySize(records, sizeOfRecord, MAX_BATCH_BYTES)
}

function originOf(record: LogRecord, reason: DecodeError): readonly RecordHeader[] {
  return [
    header('rigel-reason', describeDecodeError(reason).slice(0, MAX_REASON_CHARS)),
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

type Produce = (records: readonly NewRecord[]) => Promise<unknown>

/** Parcel after parcel: the topic keeps their order. */
export async function produceInOrder(produce: Produce, letters: readonly NewRecord[]): Promise<void> {
  for (const parcel of splitForProduce(letters)) await produceBatch(produce, parcel)
}

/** The topic may take less than Kafka does by default: which letters are too large for it is found out by halves. */
async function produceBatch(produce: Produce, letters: readonly NewRecord[]): Promise<void> {
  try {
    await produce(letters)
  } catch (error) {
    if (!TOO_LARGE.test(String(error))) throw error
    const [letter, another] = letters
    if (letter !== undefined && another === undefined) return void (await produce([withoutContent(letter)]))
    const half = Math.ceil(letters.length / 2)
    await produceBatch(produce, letters.slice(0, half))
    await produceBatch(produce, letters.slice(half))
  }
}
