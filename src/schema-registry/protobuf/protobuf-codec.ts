// Decodes Protobuf into JSON by Protobuf's JSON mapping: names in camel case, 64-bit integers and bytes as strings. Pure.
// https://protobuf.dev/programming-guides/json/
import { fromBinary, toJson, type DescMessage, type Message } from '@bufbuild/protobuf'
import { fail, ok, type Result } from '../../core/result.ts'
import type { Codec, CodecError } from '../codec.ts'
import type { ProtobufTypes } from './proto-descriptor.ts'
import { readMessagePath } from '../wire-format.ts'

type MessageMembers = Readonly<Record<string, unknown>>

export function createProtobufCodec(types: ProtobufTypes): Codec {
  return {
    nameOf: (body) => {
      const read = readMessagePath(body)
      return read.ok ? types.messageAt(read.value.path)?.typeName : undefined
    },
    toJson: (body, limitChars, isWholeEvent) => decode(types, body, limitChars, isWholeEvent),
  }
}

function decode(
  types: ProtobufTypes,
  body: Uint8Array,
  limitChars: number,
  isWholeEvent: boolean,
): Result<string, CodecError> {
  const read = readMessagePath(body)
  if (!read.ok) return fail({ kind: 'malformed', message: read.reason })
  const { message: bytes, path } = read.value
  const type = types.messageAt(path)
  if (type === undefined) return fail({ kind: 'malformed', message: `it has no message ${path.join('.')}` })
  // Data has all its fields, so that a subscription to `room: 0` matches. An unset attribute of an event is absent.
  const alwaysEmitImplicit = !isWholeEvent
  try {
    const message = fromBinary(type, bytes)
    if (alwaysEmitImplicit && minimumChars(type, message, limitChars) > limitChars) return fail({ kind: 'too_large' })
    const options = { registry: types.registry, alwaysEmitImplicit }
    const json = writeJson(type, message, options)
    if (!json.ok) return fail({ kind: 'malformed', message: json.reason })
    return json.value.length > limitChars ? fail({ kind: 'too_large' }) : json
  } catch (error) {
    return fail({ kind: 'malformed', message: error instanceof Error ? error.message : String(error) })
  }
}

type JsonOptions = Parameters<typeof toJson>[2]

/** The reason names the path of the field that JSON cannot express: an `Any` of an unknown type, a time out of range, … */
function writeJson(type: DescMessage, message: Message, options: JsonOptions): Result<string, string> {
  try {
    return ok(JSON.stringify(toJson(type, message, options)))
  } catch (error) {
    const path = failingPath(type, message, options)
    const why = error instanceof Error ? error.message : String(error)
    return fail(`${path === '' ? 'the message' : path}: ${why}`)
  }
}

/** The innermost field whose message cannot be written, such as `/order/paidAt`; empty if it is the message itself. */
function failingPath(type: DescMessage, message: Message, options: JsonOptions): string {
  for (const field of type.fields) {
    const inner = field.message
    if (inner === undefined) continue
    for (const value of messagesOf(field, message)) {
      try {
        toJson(inner, value, options)
      } catch {
        return `/${field.jsonName}${failingPath(inner, value, options)}`
      }
    }
  }
  return ''
}

/** Least length of the JSON text, or more than the limit: an empty message of two bytes is written with all its fields. */
function minimumChars(type: DescMessage, message: Message, limitChars: number): number {
  let chars = type.fields.reduce((sum, { jsonName }) => sum + jsonName.length + '"":0,'.length, 0)
  for (const field of type.fields) {
    if (field.message === undefined || field.message.typeName.startsWith('google.protobuf.')) continue
    for (const inner of messagesOf(field, message)) {
      if (chars > limitChars) return chars
      chars += minimumChars(field.message, inner, limitChars - chars)
    }
  }
  return chars
}

function messagesOf(field: DescMessage['fields'][number], message: Message): readonly Message[] {
  const { localName, oneof } = field
  const members = message as unknown as MessageMembers
  if (oneof !== undefined) {
    const chosen = members[oneof.localName] as { readonly case?: string; readonly value?: unknown }
    return chosen.case === localName ? [chosen.value as Message] : []
  }
  const value = members[localName]
  if (value === undefined) return []
  if (field.fieldKind === 'list') return value as readonly Message[]
  return field.fieldKind === 'map' ? Object.values(value as Readonly<Record<string, Message>>) : [value as Message]
}
