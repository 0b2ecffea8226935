// The answer to a request that went to Kafka, or was answered with 202: what its correlation id is made of, and how it is
// read from a record or an HTTP request. RIG's headers: `rig-correlation`, `rig-response-code`, and those of the answer.
import { isObject, parseJson } from '../json.ts'
import { fail, ok, type Result } from '../result.ts'

export interface BackendResponse {
  readonly status: number
  readonly headers: readonly (readonly [name: string, value: string])[]
  readonly body: Uint8Array
}

export interface CorrelatedResponse {
  readonly correlation: string
  readonly answer: BackendResponse
}

/** Where an answer is waited for: 128 random bits, that only who got the request can know, at one of the desks. */
export interface CorrelationId {
  readonly desk: number
  readonly id: string
}

const CORRELATION = /^(\d{1,4})\.([0-9a-f]{32})$/
const NULL_BODY = new Set([204, 205, 304])
const HEADER_NAME = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/
const HEADER_VALUE = /^[\t\u0020-\u007e\u0080-\u00ff]*$/
/** What belongs to the message's own way, or is written anew. */
const NOT_ANSWERS = /^(connection|content-length|date|host|keep-alive|rig-.*|te|trailer|transfer-encoding|upgrade)$/

export function formatCorrelation({ desk, id }: CorrelationId): string {
  return `${desk}.${id}`
}

export function parseCorrelation(text: string): CorrelationId | undefined {
  const [, desk, id] = CORRELATION.exec(text) ?? []
  return desk === undefined || id === undefined ? undefined : { desk: Number(desk), id }
}

/** Binary mode, RIG 3's only one. */
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

/** A CloudEvent with the extension `rig`, as before RIG 3: the whole event is the answer. */
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
