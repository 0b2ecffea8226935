// The extension `rig` of an event that was a request (`target: kafka`): removes the members that subscribers must not see.
// Services that read the Kafka topic need the caller's credentials and the correlation; subscribers must get neither. Pure;
// called by the follower before an event is assigned to shards, and before an operator is shown an event or a record.
import { isObject, parseExactly, type JsonObject } from '../json.ts'
import { decodeUtf8 } from '../text.ts'
import type { LogRecord } from './kafka-record.ts'
import type { CloudEvent } from './stored-event.ts'

/**
 * Ends of the names of headers and parameters that carry credentials, whether or not a route looks for a token there: `cookie`,
 * `jwt` and `token`, `x-api-key`, `access_token`, `cf-access-jwt-assertion`, `X-Amz-Signature`.
 */
const CREDENTIAL =
  /(?:authorization|cookie|websocket-protocol|token|jwt|assertion|-key|apikey|secret|passw(?:or)?d|signature)$/

/** Returns the event as subscribers may see it: the same object if it was no request. */
export function withoutCredentials(event: CloudEvent): CloudEvent {
  const { rig: written } = event.parsed
  if (typeof written === 'string') return withoutCredentialsInText(event, written)
  if (!isObject(written)) return event
  const rig = toPublic(written)
  // From the text, so that numbers keep their digits.
  const exact = parseExactly(event.json)
  const exactRig = isObject(exact) && isObject(exact['rig']) ? toPublic(exact['rig']) : rig
  const json = JSON.stringify({ ...(isObject(exact) ? exact : event.parsed), rig: exactRig })
  return { ...event, json, parsed: { ...event.parsed, rig } }
}

/** In binary mode, as the gateway writes Avro, the extension is the JSON of the object. */
function withoutCredentialsInText(event: CloudEvent, written: string): CloudEvent {
  const exact = parseExactly(event.json)
  const extension = parseExactly(written)
  if (!isObject(extension) || !isObject(exact)) return event
  const rig = JSON.stringify(toPublic(extension))
  return { ...event, json: JSON.stringify({ ...exact, rig }), parsed: { ...event.parsed, rig } }
}

/** The header of a record in binary mode that is the extension. */
const EXTENSION_HEADER = /^ce[_-]rig$/i

/** Returns the record as an operator may see it, whether or not an event can be read from it: the same object if it was no request. */
export function withoutCredentialsOfRecord(record: LogRecord): LogRecord {
  const text = record.value === null ? undefined : decodeUtf8(record.value)
  const value = text?.includes('"rig"') === true ? publicValue(text) : undefined
  if (value === undefined && !record.headers.some(({ key }) => EXTENSION_HEADER.test(key))) return record
  const headers = record.headers.map((header) =>
    EXTENSION_HEADER.test(header.key)
      ? { ...header, value: encoder.encode(publicText(decodeUtf8(header.value))) }
      : header,
  )
  return { ...record, value: value === undefined ? record.value : encoder.encode(value), headers }
}

const encoder = new TextEncoder()

function publicValue(text: string): string | undefined {
  const value = parseExactly(text)
  if (!isObject(value)) return undefined
  const { rig } = value
  if (isObject(rig)) return JSON.stringify({ ...value, rig: toPublic(rig) })
  return typeof rig === 'string' ? JSON.stringify({ ...value, rig: publicText(rig) }) : undefined
}

/** Text that is no object is left out: who knows what it is. */
function publicText(text: string | undefined): string {
  const extension = text === undefined ? undefined : parseExactly(text)
  return isObject(extension) ? JSON.stringify(toPublic(extension)) : ''
}

/** `token_in`: the header and the parameter in which the route looks for a token. */
function toPublic({ token_in: tokenIn, ...rest }: JsonObject): JsonObject {
  const rig = Object.fromEntries(Object.entries(rest).filter(([name]) => name !== 'correlation'))
  const { header, query } = isObject(tokenIn) ? tokenIn : {}
  const isSecret = (name: unknown) => CREDENTIAL.test(canonical(name)) || canonical(name) === canonical(header)
  return {
    ...rig,
    ...(rig['headers'] === undefined ? {} : { headers: publicHeaders(rig['headers'], isSecret) }),
    ...(typeof rig['query'] === 'string'
      ? { query: withoutParameters(rig['query'], (name) => CREDENTIAL.test(canonical(name)) || name === query) }
      : {}),
  }
}

/** `headers`: a list of name and value, RIG's form, or an object, which another producer may write. What is neither is left out. */
function publicHeaders(headers: unknown, isSecret: (name: unknown) => boolean): unknown {
  if (Array.isArray(headers)) return headers.filter((entry) => Array.isArray(entry) && !isSecret(entry[0]))
  if (!isObject(headers)) return []
  return Object.fromEntries(Object.entries(headers).filter(([name]) => !isSecret(name)))
}

/** Services read `_` and `.` in a header's name as `-`. */
function canonical(name: unknown): string {
  return typeof name === 'string' ? name.toLowerCase().replaceAll(/[_.]/g, '-') : ''
}

function withoutParameters(query: string, isSecret: (name: string) => boolean): string {
  const kept = query.split('&').filter((pair) => ![...new URLSearchParams(pair).keys()].some(isSecret))
  return kept.join('&')
}
