// What a schema is to those who read and write records: data ↔ JSON text. Its makers are schemas.ts's; pure.
import type { Result } from '../core/result.ts'

/** Why data is not what its schema says. */
export type CodecError = { readonly kind: 'malformed'; readonly message: string } | { readonly kind: 'too_large' }

export interface Codec {
  /**
   * What follows the schema's id in a record's value, as JSON; given up when it has more than so many characters. It is
   * the data of an event, or the whole event.
   */
  toJson(body: Uint8Array, limitChars: number, isWholeEvent: boolean): Result<string, CodecError>
}
