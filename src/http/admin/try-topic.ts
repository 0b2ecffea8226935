// POST /_rig/api/v1/topics/{topic}/try: what the rule of a topic does with a given record. Produces nothing. The body has the
// record, and optionally another rule to try: {"key": "…", "headers": {"name": "…"}, "value": …, "rule": …}.
import type { Context } from 'hono'
import type * as z from 'zod'
import { parseTopicRule, topicRuleOf } from '../../config/topics.ts'
import { fromBase64 } from '../../core/bytes.ts'
import { extractFields, extractRecipients } from '../../core/events/extractors.ts'
import type { LogRecord } from '../../core/events/kafka-record.ts'
import type { RecordSource, TopicRule } from '../../core/events/topic-rule.ts'
import { parseJson } from '../../core/json.ts'
import { decodeUtf8 } from '../../core/text.ts'
import { decodeByRule, type RuledEvent } from '../../decoding/apply-rule.ts'
import { describeDecodeError, type DecodeError } from '../../decoding/decode-error.ts'
import { readsKey, RecordKey } from '../../decoding/record-key.ts'
import { readRecordSource } from '../../decoding/rule-values.ts'
import { prefetchSchemas } from '../../following/prefetch-schemas.ts'
import { createSchemaCache } from '../../schema-registry/create-caches.ts'
import { errorResponse } from '../error-response.ts'
import { exactJson } from '../exact-json.ts'
import type { HttpEnv } from '../worker-context.ts'
import { tryBody } from './admin-schema.ts'

const MAX_BODY_BYTES = 2_097_152

type TryBody = z.infer<typeof tryBody>

export async function tryTopic(c: Context<HttpEnv>): Promise<Response> {
  const body = await c.var.bodies.read(c.req.raw, MAX_BODY_BYTES)
  if (!body.ok) return errorResponse(body.reason)
  const parsed = tryBody.safeParse(parseJson(decodeUtf8(body.value) ?? ''))
  if (!parsed.success) {
    return badRequest(
      'expected {"value": …} and, optionally, "key" or "key_base64", "headers" (name → text), "value_base64", "timestamp", "rule"',
    )
  }
  const topic = c.req.param('topic') ?? ''
  const { config } = c.var
  const given = parsed.data.rule === undefined ? undefined : parseTopicRule(topic, parsed.data.rule)
  if (given !== undefined && given.problems.length > 0) return badRequest(`rule: ${given.problems.join('; ')}`)
  const record = toRecord(topic, parsed.data)
  if (record === undefined) return badRequest('key_base64 and value_base64 must be base64')
  const rule = given?.rule ?? topicRuleOf(config.topicRules, topic)
  const batch = { records: [record], next: record.offset + 1 }
  const { schemas } = await prefetchSchemas(createSchemaCache(config), batch, readsKey(rule, config.extractors))
  const key = new RecordKey(record, schemas)
  const decoded = decodeByRule(record, rule, config.maxEventBytes, schemas, key)
  const name = rule?.name ?? null
  if (!decoded.ok) return c.json(describeFailure(decoded.reason, name))
  return exactJson(
    c,
    decoded.value === null ? { outcome: 'dropped', rule: name } : describeEvent(c, decoded.value, record, key, rule),
  )
}

function toRecord(topic: string, body: TryBody): LogRecord | undefined {
  const { headers, key, key_base64: keyBase64, offset, partition, timestamp, value, value_base64: base64 } = body
  const encoder = new TextEncoder()
  const bytes =
    base64 === undefined
      ? encoder.encode(typeof value === 'string' ? value : JSON.stringify(value ?? null))
      : fromBase64(base64)
  const keyBytes =
    keyBase64 !== undefined ? fromBase64(keyBase64) : typeof key === 'string' ? encoder.encode(key) : null
  if (bytes === undefined || keyBytes === undefined) return undefined
  return {
    topic,
    partition,
    offset,
    timestampMs: timestamp ?? Date.now(),
    key: keyBytes,
    headers: Object.entries(headers).map(([name, text]) => ({ key: name, value: encoder.encode(text) })),
    value: base64 === undefined && (value === undefined || value === null) ? null : bytes,
  }
}

function describeFailure(error: DecodeError, rule: string | null) {
  return { outcome: 'dead_letter', rule, reason_code: error.kind, reason: describeDecodeError(error) }
}

function describeEvent(
  c: Context<HttpEnv>,
  { event, recipients }: RuledEvent,
  record: LogRecord,
  key: RecordKey,
  rule: TopicRule | null,
) {
  const { config } = c.var
  const byConfig = extractRecipients(config.recipients, event.type, event.parsed)
  if (recipients === null && byConfig.kind === 'invalid') return describeFailure(byConfig.error, rule?.name ?? null)
  const readRecord = (source: RecordSource) => readRecordSource(source, record, key)
  const fields = extractFields(config.extractors, event.type, event.parsed, readRecord)
  if (key.problem !== null) return describeFailure(key.problem, rule?.name ?? null)
  return {
    outcome: 'event',
    rule: rule?.name ?? null,
    event: parseJson(event.json),
    recipients: recipients ?? (byConfig.kind === 'users' ? byConfig.users : 'everybody who subscribes to the type'),
    fields,
  }
}

function badRequest(message: string): Response {
  return errorResponse({ kind: 'bad_request', message })
}
