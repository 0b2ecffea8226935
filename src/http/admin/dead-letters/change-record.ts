// A dead letter's record as an operator has changed it, for POST /v3/dead-letters/replay. What a change leaves out stays as it
// is. A record that would not become an event is refused, so that a mistake does not make another dead letter.
import * as z from 'zod'
import type { Config } from '../../../config/parse-config.ts'
import { fromBase64 } from '../../../core/bytes.ts'
import type { NewRecord, RecordHeader } from '../../../core/events/kafka-record.ts'
import { describeCause } from '../../../core/explain/cause.ts'
import { fail, ok, type Result } from '../../../core/result.ts'
import { explainRecord, topicReadsKey } from '../../../following/explain-record.ts'
import { prefetchSchemas } from '../../../following/prefetch-schemas.ts'
import { createSchemaCache } from '../../../schema-registry/create-caches.ts'

/** Bytes as the list of dead letters shows them. */
const shown = z
  .union([z.strictObject({ text: z.string() }), z.strictObject({ base64: z.base64() })])
  .transform((given) => ('text' in given ? new TextEncoder().encode(given.text) : fromBase64(given.base64)))
  .pipe(z.instanceof(Uint8Array))

const header = z
  .intersection(z.looseObject({ key: z.string().min(1) }), z.unknown())
  .transform(({ key, ...value }, c) => {
    const bytes = shown.safeParse(value)
    if (bytes.success) return { key, value: bytes.data }
    c.addIssue({ code: 'custom', message: 'a header has "key", and "text" or "base64"' })
    return z.NEVER
  })

/** Key, value and headers in the form of the list; null is a record without a key or value. */
export const recordChange = z.strictObject({
  key: shown.nullable().optional(),
  value: shown.nullable().optional(),
  headers: z.array(header).max(200).optional(),
})

/** Undefined members stay as they are. */
export interface RecordChange {
  readonly key?: Uint8Array | null | undefined
  readonly value?: Uint8Array | null | undefined
  readonly headers?: readonly RecordHeader[] | undefined
}

/** Returns the changed record, or why it would not be an event. Throws if a schema registry cannot be reached. */
export async function changeRecord(
  config: Config,
  record: NewRecord,
  { headers = record.headers ?? [], key = record.key ?? null, value = record.value }: RecordChange,
): Promise<Result<NewRecord, string>> {
  const changed = { topic: record.topic, key, value, headers }
  const fetched = { ...changed, partition: 0, offset: 0, timestampMs: Date.now() }
  const batch = { records: [fetched], next: 1 }
  const { schemas } = await prefetchSchemas(createSchemaCache(config), batch, topicReadsKey(config, record.topic))
  const explained = explainRecord(fetched, config, schemas)
  if (!('cause' in explained) || explained.cause.kind === 'is_response') return ok(changed)
  return fail(`the changed record would not be an event: ${describeCause(explained.cause)}`)
}
