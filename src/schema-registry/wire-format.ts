// How a record names its schema. Confluent's wire format: a zero byte, the schema's id, the data; for Protobuf the message's
// path comes before the data. Or the header `__value_schema_id` beside bare data (of keys: `__key_schema_id`). Pure. Used to read records (decoding) and to
// write them (http/proxy).
import { concat, toHex } from '../core/bytes.ts'
import { fail, ok, type Result } from '../core/result.ts'

/** JSON never begins with this byte. */
const MAGIC_BYTE = 0
const HEAD_BYTES = 5
/** Longest accepted path. Messages do not nest deeper. */
const MAX_PATH = 32
/** Bytes of a varint with 32 bits. */
const MAX_VARINT_BYTES = 5

/** An id of the registry (32 bits), or a GUID in lower case, which is the same in every registry. */
export type SchemaKey = number | string

/** An encoded value and its schema. */
export interface FramedValue {
  readonly schemaId: SchemaKey
  /** What follows the schema's id: for Protobuf it begins with the message's path. */
  readonly body: Uint8Array
}

/** The record header that names the schema of a bare value. */
export const SCHEMA_HEADER = '__value_schema_id'
/** Like `SCHEMA_HEADER`, for the record's key. */
export const KEY_SCHEMA_HEADER = '__key_schema_id'
/** First byte of the header if a GUID follows. */
const GUID_MAGIC_BYTE = 1
const GUID_BYTES = 16

/** A Protobuf message and which message type it has. */
export interface ProtobufBody {
  /** Index of the message type in its file, then in its parent: `[0]` is the file's first. */
  readonly path: readonly number[]
  readonly message: Uint8Array
}

/** Returns undefined if the value is not in the wire format. */
export function readFrame(value: Uint8Array | null): FramedValue | undefined {
  if (value === null || value.length < HEAD_BYTES || value[0] !== MAGIC_BYTE) return undefined
  const schemaId = new DataView(value.buffer, value.byteOffset, value.byteLength).getUint32(1)
  return { schemaId, body: value.subarray(HEAD_BYTES) }
}

/**
 * Reads the header `__value_schema_id` of a record with the bare value `value`, or `__key_schema_id` and the key: a one and the schema's GUID, or a zero and its
 * id. For Protobuf the message's path follows in the header; it is put before the value, as in the wire format.
 */
export function readSchemaHeader(header: Uint8Array, value: Uint8Array): Result<FramedValue, string> {
  const isGuid = header[0] === GUID_MAGIC_BYTE
  if (!isGuid && header[0] !== MAGIC_BYTE) return fail(`its first byte must be 0 or 1, got ${header[0] ?? 'none'}`)
  const idEnd = 1 + (isGuid ? GUID_BYTES : HEAD_BYTES - 1)
  if (header.length < idEnd) return fail(`it must have at least ${idEnd} bytes, got ${header.length}`)
  const view = new DataView(header.buffer, header.byteOffset, header.byteLength)
  const schemaId = isGuid ? toGuid(header.subarray(1, idEnd)) : view.getUint32(1)
  return ok({ schemaId, body: idEnd === header.length ? value : concat([header.subarray(idEnd), value]) })
}

function toGuid(bytes: Uint8Array): string {
  return toHex(bytes).replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-')
}

/** Returns a value in the wire format. */
export function writeFrame(schemaId: number, body: Uint8Array): Uint8Array {
  const value = new Uint8Array(HEAD_BYTES + body.length)
  value[0] = MAGIC_BYTE
  new DataView(value.buffer).setUint32(1, schemaId)
  value.set(body, HEAD_BYTES)
  return value
}

/** Reads the message's path: a list of zigzag varints with its length first. A single zero means `[0]`. */
export function readMessagePath(body: Uint8Array): Result<ProtobufBody, string> {
  let at = 0
  const next = (): number | undefined => {
    let value = 0
    for (let bytes = 0; bytes < MAX_VARINT_BYTES; bytes += 1) {
      const byte = body[at]
      if (byte === undefined) return undefined
      at += 1
      value += (byte & 0x7f) * 2 ** (7 * bytes)
      if (byte < 0x80) return value % 2 === 0 ? value / 2 : -(value + 1) / 2
    }
    return undefined
  }
  const length = next()
  if (length === undefined || length < 0 || length > MAX_PATH)
    return fail('the path of its message type cannot be read')
  const path: number[] = []
  for (let n = 0; n < length; n += 1) {
    const index = next()
    if (index === undefined || index < 0) return fail('the path of its message type cannot be read')
    path.push(index)
  }
  return ok({ path: length === 0 ? [0] : path, message: body.subarray(at) })
}
