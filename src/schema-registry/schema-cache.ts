// Caches codecs by schema id, to read records. A schema of an id never changes, so it is fetched once. One cache per follower.
// Stores values, never promises; temporary failures (registry-client.ts) are not cached.
import { TtlCache } from '../core/time/ttl-cache.ts'
import { isObject, parseJson } from '../core/json.ts'
import { fail, ok, type Result } from '../core/result.ts'
import { decodeAvro } from './avro/avro-decode.ts'
import { parseAvroSchema } from './avro/avro-schema.ts'
import type { Codec } from './codec.ts'
import { jsonCodec } from './json-codec.ts'
import { toProtobufTypes } from './protobuf/proto-descriptor.ts'
import { createProtobufCodec } from './protobuf/protobuf-codec.ts'
import type { RegisteredSchema, RegistryClient, SchemaProblem } from './registry-client.ts'
import type { SchemaKey } from './wire-format.ts'

/** The codecs of a batch: of every schema that its records name. */
export type Schemas = ReadonlyMap<SchemaKey, Result<Codec, SchemaProblem>>

export interface SchemaCacheOptions {
  readonly client: Pick<RegistryClient, 'byId'>
  readonly nowMs: () => number
  readonly sleep: (ms: number) => Promise<void>
}

/** A Protobuf schema takes about 75 KiB, and the followers of an isolate share its 128 MB. */
const MAX_SCHEMAS = 100
/** A record can arrive before its new schema has reached every node of the registry: ask once more after this time. */
const ASK_AGAIN_MS = 1_000
/** How long an unknown or unusable schema is cached: somebody may register or correct it. */
const PROBLEM_MS = 30_000

export class SchemaCache {
  readonly #options: SchemaCacheOptions
  readonly #codecs: TtlCache<SchemaKey, Result<Codec, SchemaProblem>>

  constructor(options: SchemaCacheOptions) {
    this.#options = options
    this.#codecs = new TtlCache(MAX_SCHEMAS, options.nowMs)
  }

  has(id: SchemaKey): boolean {
    return this.#codecs.get(id) !== undefined
  }

  /** Fetches unknown schemas concurrently. Throws if the registry does not answer; the answers that came are cached. */
  async codecsOf(ids: Iterable<SchemaKey>): Promise<Schemas> {
    const codecs = await Promise.all(
      [...new Set(ids)].map(async (id) => [id, this.#codecs.get(id) ?? (await this.#fetch(id))] as const),
    )
    return new Map(codecs)
  }

  async #fetch(id: SchemaKey): Promise<Result<Codec, SchemaProblem>> {
    const schema = await this.#ask(id)
    const codec = schema.ok ? compile(schema.value) : schema
    this.#codecs.set(id, codec, codec.ok ? Infinity : this.#options.nowMs() + PROBLEM_MS)
    return codec
  }

  async #ask(id: SchemaKey): Promise<Result<RegisteredSchema, SchemaProblem>> {
    const { client, sleep } = this.#options
    const schema = await client.byId(id)
    if (schema.ok || schema.reason.kind !== 'unknown_schema') return schema
    await sleep(ASK_AGAIN_MS)
    return client.byId(id)
  }
}

function compile(schema: RegisteredSchema): Result<Codec, SchemaProblem> {
  switch (schema.type) {
    case 'JSON':
      return ok({ ...jsonCodec, nameOf: () => titleOf(schema.text) })
    case 'AVRO': {
      const referenced = schema.references.map(({ text }) => text)
      const type = parseAvroSchema(schema.text, referenced)
      if (!type.ok) return unusable(type.reason)
      const name = 'name' in type.value ? type.value.name : undefined
      return ok({ nameOf: () => name, toJson: (body, limitChars) => decodeAvro(type.value, body, limitChars) })
    }
    case 'PROTOBUF': {
      const types = toProtobufTypes(schema)
      return types.ok ? ok(createProtobufCodec(types.value)) : unusable(types.reason)
    }
  }
}

/** JSON Schema has no names; Confluent's serializers of classes write the class's as the title. */
function titleOf(text: string): string | undefined {
  const schema = parseJson(text)
  const title = isObject(schema) ? schema['title'] : undefined
  return typeof title === 'string' && title !== '' ? title : undefined
}

function unusable(message: string): Result<never, SchemaProblem> {
  return fail({ kind: 'unusable_schema', message })
}
