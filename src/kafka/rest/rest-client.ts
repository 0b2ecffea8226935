// HTTP to one Kafka REST proxy: credentials, timeouts, size caps, `{error_code, message}`. A status is a value, for what
// it means is the adapter's to know; no answer throws. Redirects are not followed: they would take the credentials along.
import { truncate } from '../../core/text.ts'
import { parseJson } from '../../core/json.ts'
import { z } from 'zod'
import type { RestCredentials } from '../../config/kafka-rest.ts'
import { KafkaRestError, NO_ANSWER } from './rest-error.ts'

export const V2 = 'application/vnd.kafka.v2+json'
export const BINARY_V2 = 'application/vnd.kafka.binary.v2+json'

const TIMEOUT_MS = 15_000
/** Of answers about topics, offsets and places. */
const MAX_BYTES = 4_194_304
/** Of what is no JSON, in a message. */
const MAX_QUOTED_CHARS = 120

interface RestRequest {
  readonly method: 'GET' | 'POST' | 'DELETE'
  /** Below the proxy's URL; or a URL of its own, of an instance. */
  readonly path: string
  readonly accept?: string
  readonly contentType?: string
  readonly body?: BodyInit
  readonly cookie?: string | undefined
  readonly timeoutMs?: number
  readonly maxBytes?: number
}

export interface RestAnswer {
  readonly request: RestRequest
  readonly status: number
  readonly text: string
  /** `name=value` of every cookie that was set: load balancers keep clients apart by them. */
  readonly cookies: readonly string[]
}

export interface RestClient {
  readonly url: string
  ask(request: RestRequest): Promise<RestAnswer>
}

export function createRestClient(url: string, credentials: RestCredentials, fetcher: typeof fetch): RestClient {
  const authorization = toAuthorization(credentials)
  return { url, ask: (request) => ask(fetcher, url, authorization, request) }
}

async function ask(
  fetcher: typeof fetch,
  base: string,
  authorization: string | null,
  request: RestRequest,
): Promise<RestAnswer> {
  const { method, path, accept = V2, contentType, body, cookie, timeoutMs = TIMEOUT_MS, maxBytes = MAX_BYTES } = request
  const url = path.startsWith('/') ? `${base}${path}` : path
  const headers = new Headers({ accept })
  if (authorization !== null) headers.set('authorization', authorization)
  if (contentType !== undefined) headers.set('content-type', contentType)
  if (cookie !== undefined) headers.set('cookie', cookie)
  try {
    const init = { method, headers, redirect: 'manual', signal: AbortSignal.timeout(timeoutMs) } as const
    const response = await fetcher(url, body === undefined ? init : { ...init, body })
    const text = await readCapped(response, maxBytes)
    const cookies = response.headers.getSetCookie().map((set) => set.split(';', 1)[0] ?? '')
    return { request, status: response.status, text, cookies }
  } catch (error) {
    throw new KafkaRestError(new URL(url).host, describe(request), { status: NO_ANSWER, message: String(error) })
  }
}

async function readCapped(response: Response, maxBytes: number): Promise<string> {
  const decoder = new TextDecoder()
  let text = ''
  let bytes = 0
  // Leaving the loop cancels the rest.
  for await (const chunk of response.body ?? []) {
    bytes += chunk.length
    if (bytes > maxBytes) throw new RangeError(`the answer has more than ${maxBytes} bytes`)
    text += decoder.decode(chunk, { stream: true })
  }
  return text + decoder.decode()
}

function toAuthorization(credentials: RestCredentials): string | null {
  if (credentials.kind === 'none') return null
  if (credentials.kind === 'bearer') return `Bearer ${credentials.token}`
  return `Basic ${btoa(`${credentials.username}:${credentials.password}`)}`
}

/** What it answered, if that is a success of the expected shape; else throws. */
export function parseAnswer<T extends z.ZodType>(client: RestClient, answer: RestAnswer, schema: T): z.infer<T> {
  requireOk(client, answer)
  const parsed = schema.safeParse(jsonOf(answer))
  if (parsed.success) return parsed.data
  const message = `answers what nobody asked for: ${truncate(answer.text, MAX_QUOTED_CHARS)}`
  throw new KafkaRestError(hostOf(client), describe(answer.request), { status: answer.status, message })
}

export function requireOk(client: RestClient, answer: RestAnswer): void {
  if (answer.status < 200 || answer.status > 299) throw toError(client, answer)
}

const errorSchema = z.object({ error_code: z.number().int().optional(), message: z.string().optional() })

export function toError(client: RestClient, answer: RestAnswer): KafkaRestError {
  const { status, request, text } = answer
  const said = errorSchema.safeParse(jsonOf(answer)).data
  const message = said?.message?.slice(0, 500) ?? (text === '' ? 'no reason given' : truncate(text, MAX_QUOTED_CHARS))
  return new KafkaRestError(hostOf(client), describe(request), { status, code: said?.error_code, message })
}

/** Undefined: it is none. A load balancer's error page is none. */
export function jsonOf({ text }: RestAnswer): unknown {
  return parseJson(text)
}

export function hostOf({ url }: RestClient): string {
  return new URL(url).host
}

function describe({ method, path }: RestRequest): string {
  return `${method} ${path}`
}
