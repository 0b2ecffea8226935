// Confluent's wire format: a zero, the schema's id, the data; Protobuf names the message between the two. Pure. Used where
// records are read (ingest/decode.ts) and written (edge/proxy).
import { fail, ok, type Result } from '../core/result.ts'

/** No JSON begins with it. */
const MAGIC_BYTE = 0
const HEAD_BYTES = 5
/** Messages nest this deep at most: what says otherwise is no message's path. */
const MAX_PATH = 32
/** Of a varint that holds 32 bits. */
const MAX_VARINT_BYTES = 5

export interface FramedValue {
  readonly schemaId: number
  readonly body: Uint8Array
}

export interface ProtobufBody {
  /** Of the message among those of its file, then of its parent: `[0]` is the file's first. */
  readonly path: readonly number[]
  readonly message: Uint8Array
}

/** Undefined: the value is not framed. */
export function readFrame(value: Uint8Array | null): FramedValue | undefined {
  if (value === null || value.length < HEAD_BYTES || value[0] !== MAGIC_BYTE) return undefined
  const schemaId = new DataView(value.buffer, value.byteOffset, value.byteLength).getUint32(1)
  return { schemaId, body: value.subarray(HEAD_BYTES) }
}

export function writeFrame(schemaId: number, body: Uint8Array): Uint8Array {
  const value = new Uint8Array(HEAD_BYTES + body.length)
  value[0] = MAGIC_BYTE
  new DataView(value.buffer).setUint32(1, schemaId)
  value.set(body, HEAD_BYTES)
  return value
}

/** The path is a list of zigzag varints, its length first; a single zero is short for `[0]`. */
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
  if (length === undefined || length < 0 || length > MAX_PATH) return fail('the path of its message cannot be read')
  const path: number[] = []
  for (let n = 0; n < length; n += 1) {
    const index = next()
    if (index === undefined || index < 0) return fail('the path of its message cannot be read')
    path.push(index)
  }
  return ok({ path: length === 0 ? [0] : path, message: body.subarray(at) })
}
