// The codec of JSON Schema: the data is JSON already and is forwarded unchanged. It is not validated: the registry's serializer
// did that when the record was written. Pure.
import { decodeUtf8 } from '../core/text.ts'
import { parseJsonOrReason } from '../core/json.ts'
import { fail, ok, type Result } from '../core/result.ts'
import type { Codec, CodecError } from './codec.ts'

export const jsonCodec: Codec = { toJson }

function toJson(body: Uint8Array, limitChars: number): Result<string, CodecError> {
  // A character is four bytes at most.
  if (body.length > limitChars * 4) return fail({ kind: 'too_large' })
  const text = decodeUtf8(body)
  if (text === undefined) return fail({ kind: 'malformed', message: 'not UTF-8' })
  const parsed = parseJsonOrReason(text)
  if (!parsed.ok) return fail({ kind: 'malformed', message: `not JSON: ${parsed.reason}` })
  return text.length > limitChars ? fail({ kind: 'too_large' }) : ok(text)
}
