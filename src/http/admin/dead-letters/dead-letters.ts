// GET /_rig/api/v3/dead-letters lists dead letters, newest last. POST /_rig/api/v3/dead-letters/replay produces their
// records again to the topics that they came from, without Rigel's headers and, if asked, changed. For operators, and the
// console. A replayed record gets a new offset at the end of its topic, so it comes after records that were produced later.
import type { Context } from 'hono'
import * as z from 'zod'
import { toBase64 } from '../../../core/bytes.ts'
import type { LogPosition, LogRecord, NewRecord, RecordHeader } from '../../../core/events/kafka-record.ts'
import { withoutCredentialsOfRecord } from '../../../core/events/request-extension.ts'
import { parseJson } from '../../../core/json.ts'
import { fail, ok, type Result } from '../../../core/result.ts'
import { decodeUtf8 } from '../../../core/text.ts'
import { isoTime } from '../../../core/time/times.ts'
import { createEventLog, type EventLog } from '../../../sources/create-event-log.ts'
import type { Config } from '../../../config/parse-config.ts'
import { isSourceTopic } from '../../../config/sources/topic-roles.ts'
import { directoryStub, type DeadLetterPlace } from '../../../rpc/directory.ts'
import { errorResponse } from '../../error-response.ts'
import type { HttpEnv } from '../../worker-context.ts'
import { MAX_DEAD_LETTERS, deadLetterPlace, deadLettersQuery, discardBody } from '../admin-schema.ts'
import { changeRecord, recordChange } from './change-record.ts'

const MAX_BODY_BYTES = 65_536
/** Changed records are as large as the topic takes. */
const MAX_REPLAY_BYTES = 4_194_304
const FETCH_BYTES = 1_048_576

const replayBody = z.strictObject({
  dead_letters: z
    .array(deadLetterPlace.extend({ record: recordChange.optional() }))
    .min(1)
    .max(MAX_DEAD_LETTERS),
})

const EXPECTED = `expected {"dead_letters": [{"partition": 0, "offset": 17}, …]}, at most ${MAX_DEAD_LETTERS}`
const EXPECTED_CHANGE =
  '"record", to change one, may have "key", "value" ({"text": …}, {"base64": …} or null) and "headers" ([{"key", "text"}, …])'

/** Without `partition` and `offset` the last `limit` dead letters of each partition are listed. */
export async function listDeadLetters(c: Context<HttpEnv>): Promise<Response> {
  const query = deadLettersQuery.safeParse(c.req.query())
  if (!query.success) return badRequest('limit (1 to 500), partition and offset must be whole numbers')
  const { limit, offset, partition } = query.data
  const topic = c.var.config.kafka.deadLetterTopic
  const log = createEventLog(c.env, c.var.config)
  const partitions = partition === undefined ? await log.partitions(topic) : [partition]
  const lists = await Promise.all(partitions.map((one) => readSome(log, topic, one, offset, limit)))
  const deadLetters = lists.flat().map(describeDeadLetter)
  const handled = await directoryStub(c.env).handledDeadLetters(deadLetters.map((deadLetter) => placeOf(deadLetter)))
  const how = new Map(handled.map((deadLetter) => [nameOf(deadLetter), deadLetter.how]))
  return c.json({
    topic,
    dead_letters: deadLetters.map((deadLetter) => ({ ...deadLetter, handled: how.get(nameOf(deadLetter)) ?? null })),
  })
}

async function readSome(log: EventLog, topic: string, partition: number, from: number | undefined, limit: number) {
  const { earliest, latest } = await log.offsets(topic, partition)
  let offset = Math.max(earliest, from ?? latest - limit)
  const records: LogRecord[] = []
  while (records.length < limit && offset < latest) {
    const fetched = await log.fetch({ topic, partition, offset }, { maxWaitMs: 0, maxBytes: FETCH_BYTES })
    if (fetched.kind !== 'records' || fetched.next === offset) break
    records.push(...fetched.records)
    offset = fetched.next
  }
  return records.slice(0, limit)
}

/**
 * The body names dead letters by partition and offset of the dead-letter topic: `{"dead_letters": [{"partition",
 * "offset"}]}`. `record` beside them changes the record. If one is refused, none is produced.
 */
export async function replayDeadLetters(c: Context<HttpEnv>): Promise<Response> {
  const body = await c.var.bodies.read(c.req.raw, MAX_REPLAY_BYTES)
  if (!body.ok) return errorResponse(body.reason)
  const parsed = replayBody.safeParse(parseJson(decodeUtf8(body.value) ?? ''))
  if (!parsed.success) return badRequest(`${EXPECTED}; ${EXPECTED_CHANGE}`)
  const { config } = c.var
  const log = createEventLog(c.env, config)
  const letters = parsed.data.dead_letters
  const records: NewRecord[] = []
  for (const { record: change, ...at } of letters) {
    const record = await original(log, config, { topic: config.kafka.deadLetterTopic, ...at })
    const replayed = record.ok && change !== undefined ? await changeRecord(config, record.value, change) : record
    if (!replayed.ok) return badRequest(`${nameOf(at)}: ${replayed.reason}`)
    records.push(replayed.value)
  }
  const produced = await log.produce(records)
  const changed = letters.filter(({ record }) => record !== undefined)
  c.set('changed', { dead_letters: letters.map(nameOf), edited: changed.map(nameOf) })
  await directoryStub(c.env).markDeadLetters(letters.map(placeOf), 'replayed')
  return c.json({ produced: produced.map(({ offset, partition, topic }) => ({ topic, partition, offset })) }, 202)
}

/**
 * Marks dead letters as discarded: they stay in the topic, but the console no longer shows them. Has the body of
 * replay, without `record`.
 */
export async function discardDeadLetters(c: Context<HttpEnv>): Promise<Response> {
  const body = await c.var.bodies.read(c.req.raw, MAX_BODY_BYTES)
  if (!body.ok) return errorResponse(body.reason)
  const parsed = discardBody.safeParse(parseJson(decodeUtf8(body.value) ?? ''))
  if (!parsed.success) return badRequest(EXPECTED)
  c.set('changed', { dead_letters: parsed.data.dead_letters.map(nameOf) })
  await directoryStub(c.env).markDeadLetters(parsed.data.dead_letters, 'discarded')
  return c.json({ discarded: parsed.data.dead_letters.length })
}

function placeOf({ offset, partition }: DeadLetterPlace): DeadLetterPlace {
  return { partition, offset }
}

function nameOf({ offset, partition }: DeadLetterPlace): string {
  return `${partition}/${offset}`
}

/**
 * Returns the record that became this dead letter. A record that was too large for it is read from its topic, if still
 * there.
 */
async function original(log: EventLog, config: Config, at: LogPosition): Promise<Result<NewRecord, string>> {
  const deadLetter = await readAt(log, at)
  if (deadLetter === undefined) return fail('there is no such dead letter')
  const origin = originOf(deadLetter)
  if (origin.topic === undefined) return fail('it has no header rigel-topic, so where it came from is unknown')
  // A pushed record has its connector in place of a topic. Pushed events are stored in the first source topic.
  const topic = isSourceTopic(config, origin.topic) ? origin.topic : (config.kafka.topics[0] ?? origin.topic)
  if (!origin.isOmitted)
    return ok({ topic, key: deadLetter.key, value: deadLetter.value, headers: withoutOurs(deadLetter.headers) })
  const { offset, partition } = origin
  const record = await readAt(log, { topic: origin.topic, partition, offset })
  if (record === undefined) return fail(`its content was too large, and ${origin.topic} no longer has the record`)
  return ok({ topic, key: record.key, value: record.value, headers: record.headers })
}

async function readAt(log: EventLog, at: LogPosition): Promise<LogRecord | undefined> {
  const fetched = await log.fetch(at, { maxWaitMs: 0, maxBytes: 1 })
  return fetched.kind === 'records' ? fetched.records.find(({ offset }) => offset === at.offset) : undefined
}

function originOf({ headers }: LogRecord) {
  const text = (name: string) => {
    const header = headers.findLast(({ key }) => key === name)
    return header && decodeUtf8(header.value)
  }
  return {
    topic: text('rigel-topic'),
    partition: Number(text('rigel-partition')),
    offset: Number(text('rigel-offset')),
    isOmitted: text('rigel-omitted-bytes') !== undefined,
    reason: text('rigel-reason') ?? '',
    code: text('rigel-reason-code') ?? '',
    rule: text('rigel-rule') ?? 'none',
  }
}

function withoutOurs(headers: readonly RecordHeader[]): readonly RecordHeader[] {
  return headers.filter(({ key }) => !key.startsWith('rigel-'))
}

/** Returns the bytes as text if they are UTF-8, else as base64. */
function describeDeadLetter(record: LogRecord) {
  const deadLetter = withoutCredentialsOfRecord(record)
  const { code, isOmitted, offset, partition, reason, rule, topic } = originOf(deadLetter)
  return {
    partition: deadLetter.partition,
    offset: deadLetter.offset,
    time: isoTime(deadLetter.timestampMs),
    reason_code: code,
    reason,
    rule: rule === 'none' ? null : rule,
    origin: { topic: topic ?? null, partition, offset },
    omitted: isOmitted,
    key: show(deadLetter.key),
    value: show(deadLetter.value),
    headers: withoutOurs(deadLetter.headers).map(({ key, value }) => ({ key, ...show(value) })),
  }
}

function show(bytes: Uint8Array | null): { readonly text: string } | { readonly base64: string } | null {
  if (bytes === null) return null
  const text = decodeUtf8(bytes)
  return text === undefined ? { base64: toBase64(bytes) } : { text }
}

function badRequest(message: string): Response {
  return errorResponse({ kind: 'bad_request', message })
}
