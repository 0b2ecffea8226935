// Caches the newest schema of a subject, to write records, as RIG does. Expires, because there may be a newer version. One cache
// per isolate; stores values, never promises. Used by http/proxy.
import { TtlCache } from '../core/time/ttl-cache.ts'
import { fail, ok, type Result } from '../core/result.ts'
import { encodeAvro } from './avro/avro-encode.ts'
import { parseAvroSchema, type AvroType } from './avro/avro-schema.ts'
import type { RegistryClient, SchemaProblem } from './registry-client.ts'
import { writeFrame, type SchemaKey } from './wire-format.ts'

export interface Subject {
  /** Returns parsed data in Confluent's wire format. The reason says what does not fit the schema, and where. */
  encode(data: unknown): Result<Uint8Array, string>
}

export interface SubjectCacheOptions {
  readonly client: Pick<RegistryClient, 'bySubject'>
  readonly nowMs: () => number
}

/** RIG caches the first schema until it restarts. */
const SUBJECT_TTL_MS = 300_000
/** Routes name subjects, so there are few. */
const MAX_SUBJECTS = 500

export class SubjectCache {
  readonly #options: SubjectCacheOptions
  readonly #subjects: TtlCache<string, Subject>

  constructor(options: SubjectCacheOptions) {
    this.#options = options
    this.#subjects = new TtlCache(MAX_SUBJECTS, options.nowMs)
  }

  /** Returns the cached schema while the registry does not answer. Throws if there is none. */
  async find(name: string): Promise<Result<Subject, SchemaProblem>> {
    const { client, nowMs } = this.#options
    const cached = this.#subjects.get(name)
    if (cached !== undefined) return ok(cached)
    let schema: Awaited<ReturnType<typeof client.bySubject>>
    try {
      schema = await client.bySubject(name)
    } catch (error) {
      const stale = this.#subjects.getStale(name)
      if (stale !== undefined) return ok(stale)
      throw error
    }
    if (!schema.ok) return schema
    const { id, references, text, type } = schema.value
    if (type !== 'AVRO') return fail({ kind: 'unusable_schema', message: `it must be an Avro schema, but is ${type}` })
    const avro = parseAvroSchema(
      text,
      references.map((reference) => reference.text),
    )
    if (!avro.ok) return fail({ kind: 'unusable_schema', message: avro.reason })
    const subject = toSubject(id, avro.value)
    this.#subjects.set(name, subject, nowMs() + SUBJECT_TTL_MS)
    return ok(subject)
  }
}

function toSubject(id: SchemaKey, type: AvroType): Subject {
  return {
    encode: (data) => {
      const encoded = encodeAvro(type, data)
      return encoded.ok ? ok(writeFrame(Number(id), encoded.value)) : encoded
    },
  }
}
