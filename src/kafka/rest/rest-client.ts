// HTTP client for one Kafka REST proxy: credentials, timeouts, size limits, and errors as `{error_code, message}`. An HTTP
// status is returned as a value, because its meaning depends on the adapter; no response throws. Redirects are not followed:
// credentials are for the configured host only.
import { readBody } from '../../core/http-body.ts'
import { truncate } from '../../core/text.ts'
import { parseJson } from '../../core/json.ts'
import * as z from 'zod'
import type { RestCredentials } from '../../config/kafka-rest.ts'
import { KafkaRestError, NO_RESPONSE } from './rest-error.ts'

/** Media type of requests about topics and consumers. */
export const V2 = 'application/vnd.kafka.v2+json'
/** Media type of records, with base64 keys and values. */
export const BINARY_V2 = 'application/vnd.kafka.binary.v2+json'

const TIMEOUT_MS = 15_000
/** Limit of responses about topics and offsets. */
const MAX_BYTES = 4_194_304
/** Length of a quoted response in an error message. */
const MAX_QUOTED_CHARS = 120

interface RestRequest {
  readonly method: 'GET' | 'POST' | 'DELETE'
  /** Path below the proxy's URL, or the absolute URL of a consumer instance. */
  readonly path: string
  readonly accept?: string
  readonly contentType?: string
  readonly body?: BodyInit
  readonly cookie?: string | undefined
  readonly timeoutMs?: number
  readonly maxBytes?: number
}

/** Any HTTP response with its body as text. */
export interface RestResponse {
  readonly request: RestRequest
  readonly status: number
  readonly text: string
  /** `name=value` of each cookie: load balancers use them for session affinity. */
  readonly cookies: readonly string[]
}

/** Sends requests to one proxy. */
export interface RestClient {
  readonly url: string
  /** Throws a KafkaRestError with status NO_RESPONSE if there is no response. */
  request(request: RestRequest): Promise<RestResponse>
}

/** Returns a client of the proxy at `url`, which is without a trailing slash. */
export function createRestClient(url: string, credentials: RestCredentials, fetcher: typeof fetch): RestClient {
  const authorization = toAuthorization(credentials)
  return { url, request: (request) => ask(fetcher, url, authorization, request) }
}

async function ask(
  fetcher: typeof fetch,
  base: string,
  authorization: string | null,
  request: RestRequest,
): Promise<RestResponse> {
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
    throw new KafkaRestError(new URL(url).host, describe(request), { status: NO_RESPONSE, message: String(error) })
  }
}

async function readCapped(response: Response, maxBytes: number): Promise<string> {
  const body = await readBody(response, maxBytes)
  if (!body.ok) throw new RangeError(`the response has more than ${maxBytes} bytes`)
  return new TextDecoder().decode(body.bytes)
}

function toAuthorization(credentials: RestCredentials): string | null {
  if (credentials.kind === 'none') return null
  if (credentials.kind === 'bearer') return `Bearer ${credentials.token}`
  return `Basic ${btoa(`${credentials.username}:${credentials.password}`)}`
}

/** Returns the parsed body of a successful response. Throws a KafkaRestError for an error or another shape. */
export function parseResponse<T extends z.ZodType>(client: RestClient, answer: RestResponse, schema: T): z.infer<T> {
  requireOk(client, answer)
  const parsed = schema.safeParse(parseJsonBody(answer))
  if (parsed.success) return parsed.data
  const message = `unexpected response: ${truncate(answer.text, MAX_QUOTED_CHARS)}`
  throw new KafkaRestError(hostOf(client), describe(answer.request), { status: answer.status, message })
}

/** Throws a KafkaRestError unless the status is 2xx. */
export function requireOk(client: RestClient, answer: RestResponse): void {
  if (answer.status < 200 || answer.status > 299) throw toError(client, answer)
}

const errorSchema = z.object({ error_code: z.number().int().optional(), message: z.string().optional() })

/** Builds the error of a response from its `{error_code, message}` or its text. */
export function toError(client: RestClient, answer: RestResponse): KafkaRestError {
  const { status, request, text } = answer
  const said = errorSchema.safeParse(parseJsonBody(answer)).data
  const message = said?.message?.slice(0, 500) ?? (text === '' ? 'no reason given' : truncate(text, MAX_QUOTED_CHARS))
  return new KafkaRestError(hostOf(client), describe(request), { status, code: said?.error_code, message })
}

/** Returns undefined if the body is not JSON, as with a load balancer's error page. */
export function parseJsonBody({ text }: RestResponse): unknown {
  return parseJson(text)
}

/** Returns the proxy's host, for error messages. */
export function hostOf({ url }: RestClient): string {
  return new URL(url).host
}

function describe({ method, path }: RestRequest): string {
  return `${method} ${path}`
}
