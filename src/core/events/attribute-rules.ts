// What CloudEvents asks of context attributes, by version, and what Rigel asks on top of it. Pure; used by cloud-event.ts.
import { toId } from '../identity/user-id.ts'
import { numberText, type JsonObject } from '../json.ts'

/** Where each version has what Rigel reads, and which attributes it requires. */
export const VERSIONS = {
  '1.0': { type: 'type', id: 'id', source: 'source', required: ['id', 'source', 'type'] },
  '0.2': { type: 'type', id: 'id', source: 'source', required: ['id', 'type'] },
  '0.1': { type: 'eventType', id: 'eventID', source: 'source', required: ['eventID', 'eventType'] },
} as const

/** A version of CloudEvents that Rigel accepts: `1.0`, `0.2` or `0.1`. */
export type Specversion = keyof typeof VERSIONS

/** Only Rigel may send these: clients act on `rig.session_killed` and its like. `com.rig.` is not reserved. */
const RESERVED_TYPE = 'rig.'
/** Clients read the event's JSON, and look for its type in either, whatever version it says that it is of. */
const TYPES = ['type', 'eventType', 'eventtype']

/** Control characters: they could break out of an SSE field or an HTTP header. */
// oxlint-disable-next-line no-control-regex -- control characters are what it looks for
const CONTROL = /[\u0000-\u001f\u007f]/

/** RFC 2045, 5.1: type and subtype are tokens, and parameters follow. */
const MEDIA_TYPE = /^[!#$%&'*+.^_`|~\w-]+\/[!#$%&'*+.^_`|~\w-]+\s*(;.*)?$/

/** RFC 3339, 5.6, with the ranges of its fields; which days a month has is checked below. */
const TIMESTAMP =
  /^(\d{4})-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])[Tt]([01]\d|2[0-3]):[0-5]\d:([0-5]\d|60)(\.\d+)?([Zz]|[+-]([01]\d|2[0-3]):[0-5]\d)$/

const BASE64 = /^[A-Za-z0-9+/]*={0,2}$/

/** The shortest month has so many days. */
const SHORTEST_MONTH = 28

/** Returns what is wrong with an event's attributes, or undefined. */
export function attributesProblem(version: Specversion, event: JsonObject): string | undefined {
  if (event['specversion'] !== undefined && event['cloudEventsVersion'] !== undefined) {
    return 'specversion and cloudEventsVersion are both there: an event is of one version'
  }
  const { required } = VERSIONS[version]
  for (const name of required) {
    const problem = requiredProblem(version, name, event[name])
    if (problem !== undefined) return problem
  }
  const reserved = TYPES.find((name) => String(event[name]).startsWith(RESERVED_TYPE))
  if (reserved !== undefined) {
    return `attribute "${reserved}" must not begin with "${RESERVED_TYPE}": only Rigel sends such events`
  }
  return version === '1.0' ? (optionalProblem(event) ?? dataProblem(event)) : undefined
}

function requiredProblem(version: Specversion, name: string, value: unknown): string | undefined {
  if (value === undefined) return `attribute "${name}" is missing (CloudEvents ${version})`
  // Ids were numbers in events of RIG's time, and RIG took them.
  if (version !== '1.0' && /id$/i.test(name) && numberText(value) !== undefined && toId(value) !== undefined)
    return undefined
  if (typeof value !== 'string' || value === '') return `attribute "${name}" must be a non-empty string`
  if (CONTROL.test(value)) return `attribute "${name}" must not contain control characters`
  return undefined
}

/** CloudEvents 1.0, section "Optional Attributes". The JSON format (2.2) takes null for an attribute that is not there. */
function optionalProblem(event: JsonObject): string | undefined {
  for (const name of ['datacontenttype', 'dataschema', 'subject', 'time']) {
    const value = event[name]
    if (value === undefined || value === null) continue
    if (typeof value !== 'string' || value === '') return `attribute "${name}" must be a non-empty string`
  }
  const { datacontenttype, time } = event
  if (typeof datacontenttype === 'string' && !MEDIA_TYPE.test(datacontenttype)) {
    return 'attribute "datacontenttype" must be a media type, such as application/json'
  }
  if (typeof time === 'string' && !isTimestamp(time)) {
    return 'attribute "time" must be a timestamp by RFC 3339, such as 2018-04-05T17:31:00Z'
  }
  return undefined
}

/** JSON format 3.1.1: binary data is in `data_base64`, in place of `data`. */
function dataProblem({ data, data_base64: base64 }: JsonObject): string | undefined {
  if (base64 === undefined || base64 === null) return undefined
  if (data !== undefined && data !== null) return '"data" and "data_base64" are both there: an event has one of them'
  const isBase64 = typeof base64 === 'string' && base64.length % 4 === 0 && BASE64.test(base64)
  return isBase64 ? undefined : '"data_base64" must be a string of Base64 (RFC 4648)'
}

function isTimestamp(text: string): boolean {
  const [, year = '', month = '', day = ''] = TIMESTAMP.exec(text) ?? []
  if (year === '') return false
  if (Number(day) <= SHORTEST_MONTH) return true
  return Number(day) <= new Date(Date.UTC(2_000 + (Number(year) % 400), Number(month), 0)).getUTCDate()
}
