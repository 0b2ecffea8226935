// Before records are sorted: the schemas that they name are fetched, once a batch, so that decoding itself waits for
// nothing. What cannot be had for good is a reason of decode.ts; a registry that does not answer throws, and the follower
// tries again.
import type { SchemaCache, Schemas } from '../schema-registry/schema-cache.ts'
import { framedBySchema } from '../decoding/decode-record.ts'
import type { FetchedRecords, Prepared } from './consume-loop.ts'

/** Each takes one call, and some more for its references; records of garbage may name a thousand. */
const MAX_NEW_SCHEMAS = 16

/**
 * As many of the records as need no more new schemas than that, at least one: the others come with the next fetch. Null:
 * there is no registry.
 */
export async function prefetchSchemas(cache: SchemaCache | null, fetched: FetchedRecords): Promise<Prepared> {
  if (cache === null) return { ...fetched, schemas: new Map() }
  const { next, records } = fetched
  const ids = new Set<number>()
  let unknown = 0
  let end = 0
  for (const record of records) {
    const id = framedBySchema(record)?.schemaId
    if (id !== undefined && !ids.has(id)) {
      if (!cache.has(id)) unknown += 1
      if (unknown > MAX_NEW_SCHEMAS) break
      ids.add(id)
    }
    end += 1
  }
  const schemas: Schemas = await cache.codecsOf(ids)
  return { ...fetched, records: records.slice(0, end), next: records[end]?.offset ?? next, schemas }
}
