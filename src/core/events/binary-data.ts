// The data of an event in binary mode: bytes and a content type → the member of structured JSON that holds them. Which
// member it is depends on the content type, never on the bytes, so that a consumer knows where to look. Pure; used by
// cloud-event.ts.
import { toBase64 } from '../bytes.ts'
import { parseJsonOrReason } from '../json.ts'
import { fail, ok, type Result } from '../result.ts'
import { decodeUtf8 } from '../text.ts'
import type { Specversion } from './attribute-rules.ts'

/**
 * The member of a structured event that holds the data (CloudEvents JSON format, 3.1): its name, and its value twice,
 * parsed and as JSON.
 */
export interface BinaryData {
  readonly name: 'data' | 'data_base64'
  readonly value: unknown
  /** `value` as JSON. JSON data stays the text it came as: written anew, large numbers would be rounded. */
  readonly json: string
}

const JSON_TYPE = /^[^/;]+\/([^;]*\+)?json\s*(;|$)/i
/** Types that are text, and any type that names a charset. */
const TEXT_TYPE =
  /^(text\/|[^/;]+\/([^;]*\+)?(xml|yaml)\s*(;|$)|application\/(x-yaml|x-www-form-urlencoded|javascript|ecmascript|graphql|sql|toml|x-ndjson|ndjson|jsonl|jsonlines|json-seq)\s*(;|$))|;\s*charset\s*=/i
const CHARSET = /;\s*charset\s*=\s*"?([^";\s]+)/i

/**
 * Returns the member of a structured event for the data of one in binary mode. Without a `contentType` the data is JSON, as
 * for an event without `datacontenttype` (CloudEvents JSON format, 3.1).
 */
export function readBinaryData(
  version: Specversion | undefined,
  contentType: string | undefined,
  bytes: Uint8Array,
): Result<BinaryData, string> {
  if (contentType === undefined || JSON_TYPE.test(contentType)) return readJson(contentType, bytes)
  // Events before 1.0 have no place for bytes, and RIG took every other type for text.
  if (version !== '1.0' || TEXT_TYPE.test(contentType)) return readText(contentType, bytes)
  const value = toBase64(bytes)
  return ok({ name: 'data_base64', value, json: JSON.stringify(value) })
}

function readJson(contentType: string | undefined, bytes: Uint8Array): Result<BinaryData, string> {
  const said = contentType === undefined ? 'and no content type says otherwise' : 'as its content type says'
  const text = decodeUtf8(bytes)
  if (text === undefined) return fail(`data is not JSON, ${said}: it is not UTF-8`)
  const parsed = parseJsonOrReason(text)
  if (!parsed.ok) return fail(`data is not JSON, ${said}: ${parsed.reason}`)
  return ok({ name: 'data', value: parsed.value, json: text })
}

function readText(contentType: string, bytes: Uint8Array): Result<BinaryData, string> {
  const charset = CHARSET.exec(contentType)?.[1] ?? 'utf-8'
  const text = decode(charset, bytes)
  if (text === undefined) return fail(`data is not text in ${charset.toUpperCase()}, as its content type says`)
  return ok({ name: 'data', value: text, json: JSON.stringify(text) })
}

/** Returns undefined if the bytes are not of the charset, or the runtime does not know it. */
function decode(charset: string, bytes: Uint8Array): string | undefined {
  if (/^utf-?8$/i.test(charset)) return decodeUtf8(bytes)
  try {
    return new TextDecoder(charset, { fatal: true, ignoreBOM: false }).decode(bytes)
  } catch {
    return undefined
  }
}
