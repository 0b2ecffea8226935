// What CloudEvents asks of context attributes, by version, and what Rigel asks on top of it. Pure; used by cloud-event.ts.
import { isTimestamp } from '../time/timestamp.ts'
import { toId } from '../identity/user-id.ts'
import { numberText, type JsonObject } from '../json.ts'

/** Where each version has what Rigel reads. */
export const VERSIONS = {
  '1.0': { type: 'type', id: 'id', source: 'source' },
  '0.2': { type: 'type', id: 'id', source: 'source' },
  '0.1': { type: 'eventType', id: 'eventID', source: 'source' },
} as const

/** A version of CloudEvents that Rigel accepts: `1.0`, `0.2` or `0.1`. */
export type Specversion = keyof typeof VERSIONS

/** Only Rigel may send these: clients act on `rig.session_killed` and its like. `com.rig.` is not reserved. */
const RESERVED_TYPE = 'rig.'

/** RFC 2045, 5.1: type and subtype are tokens, and parameters follow. */
const MEDIA_TYPE = /^[!#$%&'*+.^_`|~\w-]+\/[!#$%&'*+.^_`|~\w-]+\s*(;.*)?$/

const BASE64 = /^[A-Za-z0-9+/]*={0,2}$/

/** Returns what is wrong with an event's attributes, or undefined. */
export function attributesProblem(version: Specversion, event: JsonObject): string | undefined {
  if (event['specversion'] !== undefined && event['cloudEventsVersion'] !== undefined) {
    return 'specversion and cloudEventsVersion are both there: an event is of one version'
  }
  // Every event comes here: members are read by their names, because one that is read by a variable is looked up.
  const { eventID, eventType, eventtype, id, source, type } = event
  const isOldest = version === '0.1'
  return (
    requiredProblem(version, isOldest ? 'eventID' : 'id', isOldest ? eventID : id) ??
    (version === '1.0' ? requiredProblem(version, 'source', source) : undefined) ??
    requiredProblem(version, isOldest ? 'eventType' : 'type', isOldest ? eventType : type) ??
    // Clients read the event's JSON, and look for its type in any, whatever version it says that it is of.
    reservedProblem('type', type) ??
    reservedProblem('eventType', eventType) ??
    reservedProblem('eventtype', eventtype) ??
    (version === '1.0' ? (optionalProblem(event) ?? dataProblem(event)) : undefined)
  )
}

function reservedProblem(name: string, value: unknown): string | undefined {
  return String(value).startsWith(RESERVED_TYPE)
    ? `attribute "${name}" must not begin with "${RESERVED_TYPE}": only Rigel sends such events`
    : undefined
}

function requiredProblem(version: Specversion, name: string, value: unknown): string | undefined {
  if (value === undefined) return `attribute "${name}" is missing (CloudEvents ${version})`
  // Ids were numbers in events of RIG's time, and RIG took them.
  if (version !== '1.0' && /id$/i.test(name) && numberText(value) !== undefined && toId(value) !== undefined)
    return undefined
  if (typeof value !== 'string' || value === '') return `attribute "${name}" must be a non-empty string`
  if (hasControl(value)) return `attribute "${name}" must not contain control characters`
  return undefined
}

/** Control characters could break out of an SSE field or an HTTP header. These texts are short: a regular expression takes longer. */
function hasControl(text: string): boolean {
  for (let at = 0; at < text.length; at += 1) {
    const code = text.charCodeAt(at)
    if (code < 0x20 || code === 0x7f) return true
  }
  return false
}

/** CloudEvents 1.0, section "Optional Attributes". The JSON format (2.2) takes null for an attribute that is not there. */
function optionalProblem(event: JsonObject): string | undefined {
  const { datacontenttype, dataschema, subject, time } = event
  const problem =
    textProblem('datacontenttype', datacontenttype) ??
    textProblem('dataschema', dataschema) ??
    textProblem('subject', subject) ??
    textProblem('time', time)
  if (problem !== undefined) return problem
  if (typeof datacontenttype === 'string' && !MEDIA_TYPE.test(datacontenttype)) {
    return 'attribute "datacontenttype" must be a media type, such as application/json'
  }
  if (typeof time === 'string' && !isTimestamp(time)) {
    return 'attribute "time" must be a timestamp by RFC 3339, such as 2018-04-05T17:31:00Z'
  }
  return undefined
}

function textProblem(name: string, value: unknown): string | undefined {
  const isText = value === undefined || value === null || (typeof value === 'string' && value !== '')
  return isText ? undefined : `attribute "${name}" must be a non-empty string`
}

/** JSON format 3.1.1: binary data is in `data_base64`, in place of `data`. */
function dataProblem({ data, data_base64: base64 }: JsonObject): string | undefined {
  if (base64 === undefined || base64 === null) return undefined
  if (data !== undefined && data !== null) return '"data" and "data_base64" are both there: an event has one of them'
  const isBase64 = typeof base64 === 'string' && base64.length % 4 === 0 && BASE64.test(base64)
  return isBase64 ? undefined : '"data_base64" must be a string of Base64 (RFC 4648)'
}
