// Client of a schema registry's REST API, as Confluent documents it and Redpanda, Karapace and Apicurio (`/apis/ccompat/v7`)
// implement it. Permanent answers are values; temporary failures (unreachable, 5xx, refused credentials) throw, and the caller
// retries. Caches nothing: schema-cache.ts and subject-cache.ts do.
import { parseJson } from '../core/json.ts'
import * as z from 'zod'
import type { RegistryConfig } from '../config/schema-registry.ts'
import { fail, ok, type Result } from '../core/result.ts'
import { readBody } from '../core/http-body.ts'
import type { SchemaKey } from './wire-format.ts'

const TYPES = ['AVRO', 'JSON', 'PROTOBUF'] as const
const MAX_ANSWER_BYTES = 1_048_576
/** References of one schema, including the references of those schemas. */
const MAX_REFERENCES = 100
/** Length of a registry's own text in an error message. */
const MAX_SHOWN_CHARS = 200

export interface SchemaText {
  readonly text: string
  /** Protobuf: the file's descriptor in base64; null if the registry cannot serialize schemas. */
  readonly descriptor: string | null
}

interface ReferencedSchema extends SchemaText {
  /** The name by which it is imported. */
  readonly name: string
}

export interface RegisteredSchema extends SchemaText {
  /** The registry's id; for a schema that was asked for by GUID, its GUID. */
  readonly id: SchemaKey
  readonly type: (typeof TYPES)[number]
  /** Each after the ones that it refers to itself. */
  readonly references: readonly ReferencedSchema[]
}

export type SchemaProblem =
  /** The registry has no such schema or subject. */
  { readonly kind: 'unknown_schema' } | { readonly kind: 'unusable_schema'; readonly message: string }

export interface RegistryClient {
  /** By id, or by GUID (Confluent's registry of 2025 and later). */
  byId(id: SchemaKey): Promise<Result<RegisteredSchema, SchemaProblem>>
  /** The newest version of a subject. */
  bySubject(subject: string): Promise<Result<RegisteredSchema, SchemaProblem>>
}

/** A temporary failure: the caller retries. */
export class RegistryUnavailable extends Error {
  override readonly name = 'RegistryUnavailable'
}

const answerShape = z.object({
  id: z.int().min(0).optional(),
  schema: z.string(),
  schemaType: z.string().default('AVRO'),
  references: z
    .array(z.object({ name: z.string(), subject: z.string(), version: z.int() }))
    .nullish()
    .transform((references) => references ?? []),
})
const errorShape = z.object({ error_code: z.int(), message: z.string().default('') })

type SchemaResponse = z.infer<typeof answerShape>

/** Subject, version or schema not found. Any other 404 means a wrong URL, which an operator will correct. */
const NOT_FOUND = new Set([40_401, 40_402, 40_403])
/** Largest id: Java's largest int. */
const MAX_ID = 2_147_483_647

export function createRegistryClient(config: RegistryConfig, fetcher: typeof fetch): RegistryClient {
  const load = async (path: string, id?: SchemaKey): Promise<Result<RegisteredSchema, SchemaProblem>> => {
    const answer = await ask(config, fetcher, path)
    if (!answer.ok) return answer
    const type = TYPES.find((known) => known === answer.value.schemaType)
    if (type === undefined) {
      const message = `schemas of type ${answer.value.schemaType.slice(0, MAX_SHOWN_CHARS)} are not supported`
      return fail({ kind: 'unusable_schema', message })
    }
    const loaded: LoadedReferences = { seen: new Set(), references: [] }
    // JSON is forwarded unchanged, so its schema's references are not needed.
    const problem = type === 'JSON' ? undefined : await loadReferences(config, fetcher, answer.value, type, loaded)
    if (problem !== undefined) return fail(problem)
    const descriptor = type === 'PROTOBUF' ? await descriptorOf(config, fetcher, path) : null
    const { references } = loaded
    return ok({ id: id ?? answer.value.id ?? 0, type, text: answer.value.schema, descriptor, references })
  }
  return {
    byId: async (id) => {
      if (typeof id === 'string') return load(`/schemas/guids/${id}`, id)
      return id > MAX_ID ? fail({ kind: 'unknown_schema' }) : load(`/schemas/ids/${id}`, id)
    },
    bySubject: (subject) => load(`/subjects/${encodeURIComponent(subject)}/versions/latest`),
  }
}

interface LoadedReferences {
  /** Paths, added before they are loaded, so that circular references end. */
  readonly seen: Set<string>
  readonly references: ReferencedSchema[]
}

/** Depth first, so that each schema comes after the ones that it refers to. */
async function loadReferences(
  config: RegistryConfig,
  fetcher: typeof fetch,
  { references }: SchemaResponse,
  type: RegisteredSchema['type'],
  loaded: LoadedReferences,
): Promise<SchemaProblem | undefined> {
  for (const { name, subject, version } of references) {
    const path = `/subjects/${encodeURIComponent(subject)}/versions/${version}`
    if (loaded.seen.has(path)) continue
    if (loaded.seen.size >= MAX_REFERENCES) {
      return { kind: 'unusable_schema', message: `it has more than ${MAX_REFERENCES} references` }
    }
    loaded.seen.add(path)
    const answer = await ask(config, fetcher, path)
    if (!answer.ok) return { kind: 'unusable_schema', message: `its reference ${name} cannot be loaded` }
    const problem = await loadReferences(config, fetcher, answer.value, type, loaded)
    if (problem !== undefined) return problem
    const descriptor = type === 'PROTOBUF' ? await descriptorOf(config, fetcher, path) : null
    loaded.references.push({ name, text: answer.value.schema, descriptor })
  }
  return undefined
}

/** Confluent's `format=serialized`. Redpanda before 25.2 does not support it, and Karapace fails with references. */
async function descriptorOf(config: RegistryConfig, fetcher: typeof fetch, path: string): Promise<string | null> {
  const { body, status } = await request(config, fetcher, `${path}?format=serialized`)
  const answer =
    status === 200 && body !== null ? answerShape.safeParse(parseJson(new TextDecoder().decode(body))) : undefined
  const text = answer?.data?.schema
  return text !== undefined && /^[A-Za-z0-9+/]+=*$/.test(text) ? text : null
}

async function ask(
  config: RegistryConfig,
  fetcher: typeof fetch,
  path: string,
): Promise<Result<SchemaResponse, SchemaProblem>> {
  const { body, status } = await request(config, fetcher, path)
  if (body === null) {
    const message = `the registry's answer has more than ${MAX_ANSWER_BYTES} bytes`
    if (status === 200) return fail({ kind: 'unusable_schema', message })
    throw unavailable(config, path, `it answered ${status}, and more than ${MAX_ANSWER_BYTES} bytes`)
  }
  const json = parseJson(new TextDecoder().decode(body))
  if (status === 200) {
    const answer = answerShape.safeParse(json)
    if (answer.success) return ok(answer.data)
    throw unavailable(config, path, 'the response is not a schema')
  }
  const error = errorShape.safeParse(json)
  const code = error.data?.error_code ?? 0
  if (status === 404 && NOT_FOUND.has(code)) return fail({ kind: 'unknown_schema' })
  const says = error.data === undefined ? '' : `: ${code} ${error.data.message.slice(0, MAX_SHOWN_CHARS)}`
  if (isPermanent(status, code)) return fail({ kind: 'unusable_schema', message: `the registry refuses it${says}` })
  throw unavailable(config, path, `it answered ${status}${says}`)
}

/** Whether the registry understood the request and will always refuse it. Credentials, limits and URLs can be corrected. */
function isPermanent(status: number, code: number): boolean {
  return (status === 400 || status === 422) && Math.floor(code / 100) === status
}

/** Returns null as body if it is too large. */
async function request(
  { authorization, timeoutMs, url }: RegistryConfig,
  fetcher: typeof fetch,
  path: string,
): Promise<{ readonly status: number; readonly body: Uint8Array | null }> {
  const headers = {
    accept: 'application/vnd.schemaregistry.v1+json, application/json',
    ...(authorization === null ? {} : { authorization }),
  }
  try {
    const response = await fetcher(`${url}${path}`, {
      headers,
      // Do not follow redirects: credentials are for the configured host only.
      redirect: 'manual',
      signal: AbortSignal.timeout(timeoutMs),
    })
    const body = await readBody(response, MAX_ANSWER_BYTES)
    return { status: response.status, body: body.ok ? body.bytes : null }
  } catch (error) {
    const why = error instanceof Error && error.name === 'TimeoutError' ? `no answer in ${timeoutMs} ms` : String(error)
    throw unavailable({ url }, path, why)
  }
}

function unavailable({ url }: Pick<RegistryConfig, 'url'>, path: string, why: string): RegistryUnavailable {
  return new RegistryUnavailable(`schema registry ${url}, GET ${path}: ${why}`)
}
