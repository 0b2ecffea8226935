// Builds dead letters: the record itself in the dead-letter topic, with reason, origin and rule in headers. Pure, except for
// producing. The broker must accept every dead letter: a refused one would be retried for ever and stop its partition.
// Used by following and push.ts; http/admin/dead-letters/dead-letters.ts reads them back.
import { splitBySize } from '../core/split-by-size.ts'
import { sizeOfRecord, type LogRecord, type NewRecord, type RecordHeader } from '../core/events/kafka-record.ts'
import { describeDecodeError, type DecodeError } from '../decoding/decode-error.ts'

/** Below the 1 MiB that Kafka accepts per record by default, including its own framing. */
const MAX_DEAD_LETTER_BYTES = 1_000_000

/** Bytes of one produce call. Each dead letter is larger than its record, so a batch could exceed what was fetched. */
const MAX_BATCH_BYTES = 1_000_000

/** The reason may quote the record. */
const MAX_REASON_CHARS = 500

/** Headers that every dead letter has. They are appended last: the record may already use the same names. */
const ORIGIN_HEADERS = 7

/** Kafka's name of the error, or a REST proxy's text: only the message survives the call of a Durable Object. */
const TOO_LARGE = /too[ _]large|larger than/i

const encoder = new TextEncoder()

/**
 * Returns the dead letter of a record. `rule` names the entry of TOPICS that applied; null if there was none. A record that is
 * too large with these headers keeps only its origin, by which it can be read in its topic.
 */
export function deadLetter(
  topic: string,
  record: LogRecord,
  error: DecodeError,
  rule: string | null = null,
): NewRecord {
  const { key, value } = record
  // No timestamp: a topic may refuse it as too old or too new. It is in a header instead.
  const letter: NewRecord = { topic, key, value, headers: [...record.headers, ...originHeaders(record, error, rule)] }
  return sizeOfRecord(letter) <= MAX_DEAD_LETTER_BYTES ? letter : withoutContent(letter)
}

function withoutContent(letter: NewRecord): NewRecord {
  const origin = (letter.headers ?? []).slice(-ORIGIN_HEADERS)
  const omitted = header('rigel-omitted-bytes', String(sizeOfRecord(letter)))
  return { topic: letter.topic, key: null, value: null, headers: [...origin, omitted] }
}

/** Returns the records in order, in parts that one produce can carry. */
export function splitForProduce(records: readonly NewRecord[]): readonly (readonly NewRecord[])[] {
  return splitBySize(records, sizeOfRecord, MAX_BATCH_BYTES)
}

function originHeaders(record: LogRecord, error: DecodeError, rule: string | null): readonly RecordHeader[] {
  return [
    header('rigel-reason', describeDecodeError(error).slice(0, MAX_REASON_CHARS)),
    header('rigel-reason-code', error.kind),
    header('rigel-topic', record.topic),
    header('rigel-partition', String(record.partition)),
    header('rigel-offset', String(record.offset)),
    header('rigel-timestamp', String(record.timestampMs)),
    header('rigel-rule', rule ?? 'none'),
  ]
}

function header(key: string, value: string): RecordHeader {
  return { key, value: encoder.encode(value) }
}

type Produce = (records: readonly NewRecord[]) => Promise<unknown>

/** Produces batch after batch, so that the topic keeps the order. */
export async function produceInOrder(produce: Produce, letters: readonly NewRecord[]): Promise<void> {
  for (const batch of splitForProduce(letters)) await produceBatch(produce, batch)
}

/** The topic may accept less than Kafka's default. Halving finds the dead letters that are too large for it. */
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
