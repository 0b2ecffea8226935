// Requests and responses of the Upstash dialect of Kafka REST: parses bodies, and shapes records and errors. Used by
// kafka-rest.ts and consumer-groups.ts.
import type { Context } from 'hono'
import * as z from 'zod'
import type { LogRecord, NewRecord } from '../../core/events/kafka-record.ts'
import { TOPIC_NAME, TOPIC_NAME_RULE } from '../../core/events/topic-name.ts'
import { toHttp, type HttpFailure, type RigelError } from '../../core/errors.ts'
import { parseJsonOrReason } from '../../core/json.ts'
import { decodeUtf8 } from '../../core/text.ts'
import { fail, ok, type Result } from '../../core/result.ts'
import type { KafkaLog } from '../../kafka/kafka-log.ts'
import { RETRY_AFTER_SECONDS } from '../error-response.ts'
import type { HttpVariables } from '../worker-context.ts'

/** Hono's environment for this sub-app: `config` is set by requireConfig, `log` by kafka-rest.ts. */
export interface KafkaEnv {
  Bindings: Env
  Variables: Pick<HttpVariables, 'bodies' | 'config'> & { log: KafkaLog }
}

/** Bodies of a produce are the largest; those of other requests are a few kilobytes. */
const MAX_BODY_BYTES = 8_388_608

/** The limit of one record. It is the limit of records that are read from a Kafka, too. */
const MAX_HEADERS = 10_000

/** What an error says of a body with many mistakes. */
const MAX_ISSUES = 10

const encoder = new TextEncoder()
const decoder = new TextDecoder()

const topic = z.string().regex(TOPIC_NAME, TOPIC_NAME_RULE)
const partition = z.number().int().min(0).max(100_000)
const offset = z.number().int().min(0)
/** A half of a surrogate pair would be stored as U+FFFD, so that two different texts, such as keys that name users, were one. */
const text = z.string().refine((value) => value.isWellFormed(), 'must be Unicode, without half a surrogate pair')
const timeout = z.number().int().min(0).max(30_000).default(1_000)

const topicPartition = z.object({ topic, partition })
const topicPartitionOffset = z.object({ topic, partition, offset })

export const produceRequest = z
  .array(
    z.object({
      topic,
      value: text,
      key: text.optional(),
      partition: partition.optional(),
      timestamp: z.number().int().min(0).optional(),
      headers: z
        .array(z.object({ key: text, value: text }))
        .max(MAX_HEADERS)
        .optional(),
    }),
  )
  .min(1, 'must have at least one message')
  .max(10_000, 'must have at most 10000 messages')

export const fetchRequest = z.object({
  topic: topic.optional(),
  partition: partition.optional(),
  offset: offset.optional(),
  topicPartitionOffsets: z.array(topicPartitionOffset).max(1_000).optional(),
  timeout,
})

export const offsetsRequest = z.object({
  at: z.union(
    [z.enum(['earliest', 'latest']), z.coerce.number().int().min(0)],
    'must be earliest, latest or milliseconds',
  ),
  of: z.array(topicPartition).min(1).max(1_000),
})

export const consumeRequest = z
  .object({ topic: topic.optional(), topics: z.array(topic).max(100).optional(), timeout })
  .transform((request) => ({
    timeout: request.timeout,
    topics: [...(request.topics ?? []), ...(request.topic ? [request.topic] : [])],
  }))
  .refine((request) => request.topics.length > 0, 'name a topic, or topics')

export const consumeHeaders = z.object({
  autoCommit: z.enum(['true', 'false']).default('true'),
  autoOffsetReset: z.enum(['earliest', 'latest', 'none']).default('latest'),
  sessionTimeoutMs: z.coerce.number().int().min(1_000).max(3_600_000).default(120_000),
})

/** One offset, several, or null for everything that the last consume returned. */
export const commitRequest = z.union([
  z.array(topicPartitionOffset),
  topicPartitionOffset.transform((one) => [one]),
  z.null(),
])
export const committedRequest = z.array(topicPartition).min(1).max(1_000)

export function toNewRecord(message: z.infer<typeof produceRequest>[number]): NewRecord {
  return {
    topic: message.topic,
    value: encoder.encode(message.value),
    key: message.key === undefined ? null : encoder.encode(message.key),
    headers: (message.headers ?? []).map((header) => ({ key: header.key, value: encoder.encode(header.value) })),
    ...(message.partition === undefined ? {} : { partition: message.partition }),
    ...(message.timestamp === undefined ? {} : { timestampMs: message.timestamp }),
  }
}

/** The dialect has text only: bytes that are not UTF-8 become replacement characters, and a tombstone is empty. */
export function toMessage(record: LogRecord) {
  return {
    topic: record.topic,
    partition: record.partition,
    offset: record.offset,
    timestamp: record.timestampMs,
    key: record.key === null ? '' : decoder.decode(record.key),
    value: record.value === null ? '' : decoder.decode(record.value),
    headers: record.headers.map((header) => ({ key: header.key, value: decoder.decode(header.value) })),
  }
}

/**
 * Returns the JSON value of a request's body, null for an empty body, or the response that refuses it: 413 beyond
 * MAX_BODY_BYTES of the decoded body, 415 for an unknown content coding, and 400 for a body that is not JSON in UTF-8.
 */
export async function readJsonBody(c: Context<KafkaEnv>): Promise<Result<unknown, Response>> {
  const body = await c.var.bodies.read(c.req.raw, MAX_BODY_BYTES)
  if (!body.ok) return fail(bodyError(c, body.reason))
  if (body.value.byteLength === 0) return ok(null)
  const json = decodeUtf8(body.value)
  if (json === undefined) return fail(kafkaRestError(c, 400, 'the body must be UTF-8'))
  const parsed = parseJsonOrReason(json)
  return parsed.ok ? parsed : fail(kafkaRestError(c, 400, `the body must be JSON: ${parsed.reason}`))
}

function bodyError(c: Context, error: RigelError): Response {
  if (error.kind === 'body_too_large')
    return kafkaRestError(c, 413, `the body must be at most ${error.limitBytes} bytes`)
  const { message, status } = toHttp(error)
  if (status === 503) c.header('retry-after', String(RETRY_AFTER_SECONDS))
  return kafkaRestError(c, status, message)
}

/** The dialect's error: `{"error": text, "status": number}`. */
export function kafkaRestError(c: Context, status: HttpFailure['status'] | 409, why: string | z.ZodError): Response {
  const error =
    typeof why === 'string'
      ? why
      : why.issues
          .slice(0, MAX_ISSUES)
          .map(({ path, message }) => `${path.join('.') || 'body'}: ${message}`)
          .join('; ')
  return c.json({ error, status }, status)
}
