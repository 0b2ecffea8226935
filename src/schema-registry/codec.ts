// The interface of a compiled schema: encoded data → JSON text. Pure. Implemented for Avro, Protobuf and JSON; created by
// schema-cache.ts.
import type { Result } from '../core/result.ts'

/** Why data cannot be decoded with its schema. */
export type CodecError = { readonly kind: 'malformed'; readonly message: string } | { readonly kind: 'too_large' }

export interface Codec {
  /** Full name of the type that the data has, for rules of TOPICS; undefined if the schema gives none. */
  nameOf?(body: Uint8Array): string | undefined
  /**
   * Returns JSON text of at most `limitChars` characters. `body` is what follows the schema's id in the record's value.
   * `isWholeEvent`: the value is a whole event, whose unset attributes are left out, and not only its data.
   */
  toJson(body: Uint8Array, limitChars: number, isWholeEvent: boolean): Result<string, CodecError>
}
