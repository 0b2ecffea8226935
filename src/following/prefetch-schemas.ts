// Fetches the schemas that a batch of records names, once per batch, so that decoding is synchronous. Called by
// plan-events.ts. A schema that does not exist is a decode error of its records; a registry that does not answer throws,
// and the follower tries again.
import { framedBySchema } from '../decoding/decode-record.ts'
import { framedKey } from '../decoding/record-key.ts'
import type { SchemaCache, Schemas } from '../schema-registry/schema-cache.ts'
import type { SchemaKey } from '../schema-registry/wire-format.ts'
import type { FetchedRecords } from './consume-loop.ts'

/** Each takes one call, and more for its references. A batch of garbage may name thousands. */
const MAX_NEW_SCHEMAS = 16

export interface RecordsWithSchemas extends FetchedRecords {
  /** Holds at least the schemas that the records name. Null if no schema registry is configured. */
  readonly schemas: Schemas | null
}

/**
 * Returns as many of the records as need at most MAX_NEW_SCHEMAS unknown schemas, at least one. `next` is the offset of the
 * first record that was left out: it comes with the next fetch. `readsKey`: a rule reads the key, so its schema is needed too.
 */
export async function prefetchSchemas(
  cache: SchemaCache | null,
  fetched: FetchedRecords,
  readsKey: boolean,
): Promise<RecordsWithSchemas> {
  const { next, records } = fetched
  if (cache === null) return { next, records, schemas: null }
  const ids = new Set<SchemaKey>()
  const isNew = (id: SchemaKey | undefined) => id !== undefined && !ids.has(id) && !cache.has(id)
  let unknown = 0
  let end = 0
  for (const record of records) {
    const framed = framedBySchema(record)
    const key = readsKey ? framedKey(record) : undefined
    const id = framed?.ok === true ? framed.value.schemaId : undefined
    const keyId = key?.ok === true && key.value.schemaId !== id ? key.value.schemaId : undefined
    if (isNew(id)) unknown += 1
    if (isNew(keyId)) unknown += 1
    if (unknown > MAX_NEW_SCHEMAS) break
    if (id !== undefined) ids.add(id)
    if (keyId !== undefined) ids.add(keyId)
    end += 1
  }
  const schemas = await cache.codecsOf(ids)
  return { records: records.slice(0, end), next: records[end]?.offset ?? next, schemas }
}
