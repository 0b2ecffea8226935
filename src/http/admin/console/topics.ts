// GET /v1/topics: the topics of Rigel's log with their partitions and offsets. GET /v1/topics/{topic}/records: some
// records, and what Rigel makes of each. For the console.
import type { Context } from 'hono'
import * as z from 'zod'
import { isFollowed } from '../../../config/sources/topic-roles.ts'
import { toBase64 } from '../../../core/bytes.ts'
import type { LogRecord } from '../../../core/events/kafka-record.ts'
import { withoutCredentialsOfRecord } from '../../../core/events/request-extension.ts'
import { describeCause } from '../../../core/explain/cause.ts'
import { decodeUtf8 } from '../../../core/text.ts'
import { explainRecord, topicReadsKey } from '../../../following/explain-record.ts'
import { prefetchSchemas } from '../../../following/prefetch-schemas.ts'
import { createEventLog } from '../../../sources/create-event-log.ts'
import { createSchemaCache } from '../../../schema-registry/create-caches.ts'
import { listFollowedTopics } from '../../../sources/followed-topics.ts'
import { errorResponse } from '../../error-response.ts'
import type { HttpEnv } from '../../worker-context.ts'

const MAX_PARTITIONS = 200
const MAX_TOPICS = 200
const MAX_LISTED = 100
const FETCH_BYTES = 262_144
const MAX_SHOWN_CHARS = 20_000

const recordsQuery = z.object({
  partition: z.coerce.number().int().min(0).default(0),
  /** Absent: the newest. */
  offset: z.coerce.number().int().min(0).optional(),
  limit: z.coerce.number().int().min(1).max(MAX_LISTED).default(20),
})

export async function listTopics(c: Context<HttpEnv>): Promise<Response> {
  const { config } = c.var
  const log = createEventLog(c.env, config)
  const followed = (await listFollowedTopics(config, log)).slice(0, MAX_TOPICS)
  const names = [...new Set([...followed, config.kafka.deadLetterTopic])]
  const topics = await Promise.all(
    names.map(async (topic) => {
      try {
        const partitions = (await log.partitions(topic)).slice(0, MAX_PARTITIONS)
        const ranges = partitions.map(async (partition) => ({ partition, ...(await log.offsets(topic, partition)) }))
        return { topic, partitions: await Promise.all(ranges), problem: null }
      } catch (error) {
        return { topic, partitions: [], problem: String(error) }
      }
    }),
  )
  return c.json({ topics })
}

export async function listRecords(c: Context<HttpEnv>): Promise<Response> {
  const query = recordsQuery.safeParse(c.req.query())
  const message = `partition and offset must be whole numbers, limit one from 1 to ${MAX_LISTED}`
  if (!query.success) return errorResponse({ kind: 'bad_request', message })
  const { limit, offset, partition } = query.data
  const topic = c.req.param('topic') ?? ''
  const { config } = c.var
  // Other topics of the Kafka must stay invisible to readers.
  if (!isFollowed(config, topic) && topic !== config.kafka.deadLetterTopic) {
    return c.json({ message: `Rigel does not follow the topic ${topic.slice(0, 100)}` }, 404)
  }
  const log = createEventLog(c.env, config)
  const range = await log.offsets(topic, partition)
  const from = Math.max(range.earliest, offset ?? range.latest - limit)
  const fetched =
    from < range.latest
      ? await log.fetch({ topic, partition, offset: from }, { maxWaitMs: 0, maxBytes: FETCH_BYTES })
      : undefined
  const records = fetched?.kind === 'records' ? fetched.records.slice(0, limit) : []
  const batch = { records, next: range.latest }
  const { schemas } = await prefetchSchemas(createSchemaCache(config), batch, topicReadsKey(config, topic))
  const shown = records.map((record) => ({ ...show(record), ...outcomeOf(record, c, schemas) }))
  return c.json({ topic, partition, ...range, records: shown })
}

type SchemasOf = Parameters<typeof explainRecord>[2]

function outcomeOf(record: LogRecord, { var: { config } }: Context<HttpEnv>, schemas: SchemasOf) {
  if (record.topic === config.kafka.deadLetterTopic) return { outcome: 'dead letter' }
  const explained = explainRecord(record, config, schemas)
  if ('cause' in explained) return { outcome: explained.cause.kind, reason: describeCause(explained.cause) }
  const { event, recipients, rule } = explained
  return { outcome: 'event', type: event.type, recipients, rule, event: event.json.slice(0, MAX_SHOWN_CHARS) }
}

/** Without the credentials of requests that became events: operators who may read a topic here must not get them. */
function show(record: LogRecord) {
  const { headers, key, offset, timestampMs, value } = withoutCredentialsOfRecord(record)
  return {
    offset,
    timestampMs,
    key: toText(key),
    headers: headers.map((header) => ({ key: header.key, value: toText(header.value) })),
    value: toText(value)?.slice(0, MAX_SHOWN_CHARS) ?? null,
  }
}

/** Bytes that are not UTF-8 are shown as base64. */
function toText(bytes: Uint8Array | null): string | null {
  if (bytes === null) return null
  return decodeUtf8(bytes) ?? `base64:${toBase64(bytes)}`
}
