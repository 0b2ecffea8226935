// Schemas by id, for who reads records: fetched once and kept, because what an id names never changes. One for each
// follower. It keeps values, never promises; what throws (see registry-client.ts) is not kept.
import { TtlCache } from '../core/ttl-cache.ts'
import { fail, ok, type Result } from '../core/result.ts'
import { decodeAvro } from './avro/avro-decode.ts'
import { parseAvroSchema } from './avro/avro-schema.ts'
import type { Codec } from './codec.ts'
import { jsonCodec } from './json-codec.ts'
import { toProtobufTypes } from './protobuf/proto-descriptor.ts'
import { createProtobufCodec } from './protobuf/protobuf-codec.ts'
import type { RegisteredSchema, RegistryClient, SchemaProblem } from './registry-client.ts'

/** What a batch of records needs: every id that its records name. */
export type Schemas = ReadonlyMap<number, Result<Codec, SchemaProblem>>

export interface SchemaCacheOptions {
  readonly client: Pick<RegistryClient, 'byId'>
  readonly nowMs: () => number
  readonly sleep: (ms: number) => Promise<void>
}

/** In Protobuf each takes some 75 KiB, and the followers of an isolate share its 128 MB. */
const MAX_SCHEMAS = 100
/** One node of a registry may learn of a new schema later than the record comes that is written by it. */
const ASK_AGAIN_MS = 1_000
/** What then is unknown still may be put right by somebody. */
const PROBLEM_MS = 30_000

export class SchemaCache {
  readonly #options: SchemaCacheOptions
  readonly #codecs: TtlCache<number, Result<Codec, SchemaProblem>>

  constructor(options: SchemaCacheOptions) {
    this.#options = options
    this.#codecs = new TtlCache(MAX_SCHEMAS, options.nowMs)
  }

  has(id: number): boolean {
    return this.#codecs.get(id) !== undefined
  }

  /** Those unknown are asked for side by side. Throws if the registry does not answer, with what it did answer kept. */
  async codecsOf(ids: Iterable<number>): Promise<Schemas> {
    const codecs = await Promise.all(
      [...new Set(ids)].map(async (id) => [id, this.#codecs.get(id) ?? (await this.#fetch(id))] as const),
    )
    return new Map(codecs)
  }

  async #fetch(id: number): Promise<Result<Codec, SchemaProblem>> {
    const schema = await this.#ask(id)
    const codec = schema.ok ? compile(schema.value) : schema
    this.#codecs.set(id, codec, codec.ok ? Infinity : this.#options.nowMs() + PROBLEM_MS)
    return codec
  }

  async #ask(id: number): Promise<Result<RegisteredSchema, SchemaProblem>> {
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
      return ok(jsonCodec)
    case 'AVRO': {
      const referenced = schema.references.map(({ text }) => text)
      const type = parseAvroSchema(schema.text, referenced)
      if (!type.ok) return unusable(type.reason)
      return ok({ toJson: (body, limitChars) => decodeAvro(type.value, body, limitChars) })
    }
    case 'PROTOBUF': {
      const types = toProtobufTypes(schema)
      return types.ok ? ok(createProtobufCodec(types.value)) : unusable(types.reason)
    }
  }
}

function unusable(message: string): Result<never, SchemaProblem> {
  return fail({ kind: 'unusable_schema', message })
}
