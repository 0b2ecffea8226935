// Finds the record that an operator asks about: by its place in the log, as a publish returns it, or by the id of its
// event among the newest records.
import type { Config } from '../../../config/parse-config.ts'
import { isFollowed } from '../../../config/sources/topic-roles.ts'
import type { LogPosition, LogRecord } from '../../../core/events/kafka-record.ts'
import type { Cause } from '../../../core/explain/cause.ts'
import { createEventLog, type EventLog } from '../../../sources/create-event-log.ts'
import { listSourceTopics } from '../../../sources/followed-topics.ts'
import { decodeUtf8 } from '../../../core/text.ts'

/** Number of newest records of each partition in which an id is searched. */
const SEARCHED_RECORDS = 1_000
const MAX_SEARCHED_PARTITIONS = 64
const FETCH_BYTES = 1_048_576

const PLACE = /^([\w.:$*>-]{1,249})\/(\d{1,10})\/(\d{1,15})$/

/** Parses `topic/partition/offset`. Returns undefined for anything else, which is then an event's id. */
export function parsePlace(text: string): LogPosition | undefined {
  const [, topic, partition, offset] = PLACE.exec(text) ?? []
  return topic === undefined ? undefined : { topic, partition: Number(partition), offset: Number(offset) }
}

/** Returns the record, or why it is not there. Throws if the log does not answer. */
export async function readPlace(
  env: Env,
  config: Config,
  at: LogPosition,
): Promise<LogRecord | { readonly cause: Cause }> {
  if (!isFollowed(config, at.topic)) return { cause: { kind: 'not_followed', topic: at.topic } }
  const log = createEventLog(env, config)
  const { earliest, latest } = await log.offsets(at.topic, at.partition)
  if (at.offset >= latest) return { cause: { kind: 'not_produced', latest } }
  if (at.offset < earliest) return { cause: { kind: 'removed_from_topic', earliest } }
  const record = (await fetchFrom(log, at, 1)).find(({ offset }) => offset === at.offset)
  return (
    record ?? {
      cause: { kind: 'unknown', why: 'the log has no record at this offset: it was compacted, or is a marker' },
    }
  )
}

/** Returns the newest record that may be an event with this id, or undefined. */
export async function findById(env: Env, config: Config, id: string): Promise<LogRecord | undefined> {
  const log = createEventLog(env, config)
  const lists = await Promise.all(
    (await listSourceTopics(config, log)).map(async (topic) =>
      (await log.partitions(topic)).map((partition) => ({ topic, partition })),
    ),
  )
  const partitions = lists.flat().slice(0, MAX_SEARCHED_PARTITIONS)
  const found = await Promise.all(
    partitions.map(async ({ partition, topic }) => {
      const { earliest, latest } = await log.offsets(topic, partition)
      const offset = Math.max(earliest, latest - SEARCHED_RECORDS)
      const records = await fetchFrom(log, { topic, partition, offset }, latest - offset)
      return records.filter((record) => hasId(record, id))
    }),
  )
  return found.flat().toSorted((a, b) => b.timestampMs - a.timestampMs)[0]
}

async function fetchFrom(log: EventLog, at: LogPosition, count: number): Promise<readonly LogRecord[]> {
  const records: LogRecord[] = []
  const end = at.offset + count
  for (let { offset } = at; offset < end;) {
    const fetched = await log.fetch({ ...at, offset }, { maxWaitMs: 0, maxBytes: count === 1 ? 1 : FETCH_BYTES })
    if (fetched.kind !== 'records' || fetched.next === offset) break
    records.push(...fetched.records)
    offset = fetched.next
  }
  return records
}

/**
 * Searches the header `ce_id` (binary mode), or else the text of the value. The caller decodes the record afterwards.
 */
function hasId({ headers, value }: LogRecord, id: string): boolean {
  const header = headers.find(({ key }) => key.toLowerCase() === 'ce_id')
  if (header !== undefined) return decodeUtf8(header.value) === id
  const text = value === null ? undefined : decodeUtf8(value)
  return text?.includes(JSON.stringify(id)) === true
}
