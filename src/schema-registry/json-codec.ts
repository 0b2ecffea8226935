// JSON Schema: the data is JSON already, and is passed on as it is. It is not validated: whoever wrote it did so with the
// registry's own serializer, and an event that came through Kafka is news, whatever a schema says. Pure.
import { fail, ok, type Result } from '../core/result.ts'
import type { Codec, NotBySchema } from './codec.ts'

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: false })

export const jsonCodec: Codec = { toJson }

function toJson(body: Uint8Array, limitChars: number): Result<string, NotBySchema> {
  // A character is four bytes at most.
  if (body.length > limitChars * 4) return fail({ kind: 'too_large' })
  try {
    const text = utf8.decode(body)
    JSON.parse(text)
    return text.length > limitChars ? fail({ kind: 'too_large' }) : ok(text)
  } catch (error) {
    return fail({ kind: 'malformed', message: `not JSON: ${error instanceof Error ? error.message : String(error)}` })
  }
}
