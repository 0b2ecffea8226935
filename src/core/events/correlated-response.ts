// The response to a request that was published to Kafka, or answered with 202: its correlation id, and how it is parsed from a
// record or an HTTP request. RIG's headers: `rig-correlation`, `rig-response-code`, and those of the response.
import { isObject, parseJson } from '../json.ts'
import { fail, ok, type Result } from '../result.ts'

/** A backend's response to a request, as the waiting client gets it. Header names are lower case. */
export interface BackendResponse {
  readonly status: number
  readonly headers: readonly (readonly [name: string, value: string])[]
  readonly body: Uint8Array
}

/** A response with the correlation id of the request that it belongs to. */
export interface CorrelatedResponse {
  readonly correlation: string
  readonly answer: BackendResponse
}

/** Identifies a waiting request: one of the PendingResponses objects, and 128 random bits that only the backend knows. */
export interface CorrelationId {
  readonly shard: number
  readonly id: string
}

const CORRELATION = /^(\d{1,4})\.([0-9a-f]{32})$/
const NULL_BODY = new Set([204, 205, 304])
const HEADER_NAME = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/
const HEADER_VALUE = /^[\t\u0020-\u007e\u0080-\u00ff]*$/
/** Headers of the message itself, and those that Rigel sets. */
const NOT_ANSWERS = /^(connection|content-length|date|host|keep-alive|rig-.*|te|trailer|transfer-encoding|upgrade)$/

/** Returns `<shard>.<32 hex digits>`, the value of the header `rig-correlation`. */
export function formatCorrelation({ shard, id }: CorrelationId): string {
  return `${shard}.${id}`
}

/** Parses what `formatCorrelation` returns. Returns undefined for every other text. */
export function parseCorrelation(text: string): CorrelationId | undefined {
  const [, shard, id] = CORRELATION.exec(text) ?? []
  return shard === undefined || id === undefined ? undefined : { shard: Number(shard), id }
}

/** Returns whether a record is a response, by the names of its headers. For topics with both responses and events. */
export function isResponse(names: readonly string[]): boolean {
  const lower = new Set(names.map((name) => name.toLowerCase()))
  return lower.has('rig-correlation') && lower.has('rig-response-code')
}

/** Parses RIG 3's response, in binary mode. Fails with what is missing or wrong. */
export function parseResponse(
  headers: readonly (readonly [name: string, value: string])[],
  body: Uint8Array,
): Result<CorrelatedResponse, string> {
  const lower = headers.map(([name, value]) => [name.toLowerCase(), value] as const)
  const correlation = lower.find(([name]) => name === 'rig-correlation')?.[1]
  if (correlation === undefined) return fail('the header rig-correlation must be present')
  if (parseCorrelation(correlation) === undefined) return fail('rig-correlation must be what came with the request')
  const code = lower.find(([name]) => name === 'rig-response-code')?.[1]
  const status = Number(code)
  if (code === undefined || !/^[2-5]\d\d$/.test(code)) {
    return fail(`the header rig-response-code must be an integer from 200 to 599, got ${JSON.stringify(code ?? null)}`)
  }
  const kept = lower.filter(
    ([name, value]) => !NOT_ANSWERS.test(name) && HEADER_NAME.test(name) && HEADER_VALUE.test(value),
  )
  return ok({ correlation, answer: { status, headers: kept, body: NULL_BODY.has(status) ? new Uint8Array() : body } })
}

/** Parses a CloudEvent with the extension `rig`, RIG 2's response: its body is the whole event. Fails with what would be right. */
export function parseEventResponse(text: string): Result<CorrelatedResponse, string> {
  const event = parseJson(text)
  const rig = isObject(event) ? event['rig'] : undefined
  const correlation = isObject(rig) ? rig['correlation'] : undefined
  if (typeof correlation !== 'string' || parseCorrelation(correlation) === undefined) {
    return fail('it must be a CloudEvent with "rig": {"correlation": "…"}, as came with the request')
  }
  const body = new TextEncoder().encode(text)
  return ok({ correlation, answer: { status: 200, headers: [['content-type', 'application/json']], body } })
}
