// Protobuf → JSON, by Protobuf's own JSON mapping: names in camel case, 64-bit integers and bytes as strings. Pure.
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
  // Data has all its fields: who subscribes to `room: 0` must find it. An attribute that is not set is not there.
  const alwaysEmitImplicit = !isWholeEvent
  try {
    const message = fromBinary(type, bytes)
    if (alwaysEmitImplicit && minimumChars(type, message, limitChars) > limitChars) return fail({ kind: 'too_large' })
    const json = JSON.stringify(toJson(type, message, { registry: types.registry, alwaysEmitImplicit }))
    return json.length > limitChars ? fail({ kind: 'too_large' }) : ok(json)
  } catch (error) {
    return fail({ kind: 'malformed', message: error instanceof Error ? error.message : String(error) })
  }
}

/** Of its JSON, or more than the limit: two bytes are a message, and all its fields are written. */
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
