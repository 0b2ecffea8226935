// The schema registry's REST, as Confluent documents it and Redpanda, Karapace and Apicurio (`/apis/ccompat/v7`) speak
// it. What it says for good is a value; what may be over in a moment (out of reach, 5xx, refused credentials) throws,
// and is tried again by whoever asked. Keeps nothing: schemas.ts and subjects.ts do.
import { parseJson } from '../core/json.ts'
import { z } from 'zod'
import type { RegistryConfig } from '../config/schema-registry.ts'
import { fail, ok, type Result } from '../core/result.ts'
import { readBody } from '../core/http-body.ts'

const TYPES = ['AVRO', 'JSON', 'PROTOBUF'] as const
const MAX_ANSWER_BYTES = 1_048_576
/** Of one schema, those of its references included. */
const MAX_REFERENCES = 100
/** What a registry says about itself is shown so far. */
const MAX_SHOWN_CHARS = 200

export interface SchemaText {
  readonly text: string
  /** Protobuf: the file's descriptor, base64; null: the registry does not make any. */
  readonly descriptor: string | null
}

interface ReferencedSchema extends SchemaText {
  /** By which it is imported. */
  readonly name: string
}

export interface RegisteredSchema extends SchemaText {
  readonly id: number
  readonly type: (typeof TYPES)[number]
  /** Each after those that it refers to itself. */
  readonly references: readonly ReferencedSchema[]
}

export type SchemaProblem =
  /** The registry has no such schema, or subject. */
  { readonly kind: 'unknown_schema' } | { readonly kind: 'unusable_schema'; readonly message: string }

export interface RegistryClient {
  byId(id: number): Promise<Result<RegisteredSchema, SchemaProblem>>
  /** The newest version. */
  bySubject(subject: string): Promise<Result<RegisteredSchema, SchemaProblem>>
}

/** Something to be tried again. */
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

/** Not found: version, schema, subject. Any other 404 comes of a wrong address, which an operator will put right. */
const NOT_FOUND = new Set([40_401, 40_402, 40_403])
/** An id beyond Java's integers. */
const MAX_ID = 2_147_483_647

export function createRegistryClient(config: RegistryConfig, fetcher: typeof fetch): RegistryClient {
  const load = async (path: string, id?: number): Promise<Result<RegisteredSchema, SchemaProblem>> => {
    const answer = await ask(config, fetcher, path)
    if (!answer.ok) return answer
    const type = TYPES.find((known) => known === answer.value.schemaType)
    if (type === undefined) {
      const message = `schemas of type ${answer.value.schemaType.slice(0, MAX_SHOWN_CHARS)} are not supported`
      return fail({ kind: 'unusable_schema', message })
    }
    const loaded: LoadedReferences = { seen: new Set(), references: [] }
    // JSON is passed on as it is: nothing is looked up in its schema.
    const problem = type === 'JSON' ? undefined : await loadReferences(config, fetcher, answer.value, type, loaded)
    if (problem !== undefined) return fail(problem)
    const descriptor = type === 'PROTOBUF' ? await descriptorOf(config, fetcher, path) : null
    const { references } = loaded
    return ok({ id: id ?? answer.value.id ?? 0, type, text: answer.value.schema, descriptor, references })
  }
  return {
    byId: async (id) => (id > MAX_ID ? fail({ kind: 'unknown_schema' }) : load(`/schemas/ids/${id}`, id)),
    bySubject: (subject) => load(`/subjects/${encodeURIComponent(subject)}/versions/latest`),
  }
}

interface LoadedReferences {
  /** By path; before they are loaded, so that a circle comes to an end. */
  readonly seen: Set<string>
  readonly references: ReferencedSchema[]
}

/** Depth first, so that each comes after those that it refers to. */
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
    if (!answer.ok) return { kind: 'unusable_schema', message: `its reference ${name} cannot be had` }
    const problem = await loadReferences(config, fetcher, answer.value, type, loaded)
    if (problem !== undefined) return problem
    const descriptor = type === 'PROTOBUF' ? await descriptorOf(config, fetcher, path) : null
    loaded.references.push({ name, text: answer.value.schema, descriptor })
  }
  return undefined
}

/** Confluent's `format=serialized`. Others do not know it (Redpanda before 25.2), or fail at it (Karapace, with references). */
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
    throw unavailable(config, path, 'its answer is no schema')
  }
  const error = errorShape.safeParse(json)
  const code = error.data?.error_code ?? 0
  if (status === 404 && NOT_FOUND.has(code)) return fail({ kind: 'unknown_schema' })
  const says = error.data === undefined ? '' : `: ${code} ${error.data.message.slice(0, MAX_SHOWN_CHARS)}`
  if (isPermanent(status, code)) return fail({ kind: 'unusable_schema', message: `the registry refuses it${says}` })
  throw unavailable(config, path, `it answered ${status}${says}`)
}

/** It understood the question, and will never have an answer. Credentials, limits and addresses can be put right. */
function isPermanent(status: number, code: number): boolean {
  return (status === 400 || status === 422) && Math.floor(code / 100) === status
}

/** A body of null was too large to be read. */
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
      // To whom it points is not who was configured, and must not get the credentials.
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
