// Converts Avro's bytes to and from JSON: base64 for plain bytes, text for logical types. Pure. Used by avro-decode.ts and
// avro-encode.ts.
import { fromBase64, toBase64, fromHex, toHex } from '../../core/bytes.ts'
import { numberText } from '../../core/json.ts'
import { fail, ok, type Result } from '../../core/result.ts'
import type { BytesLogicalType } from './avro-schema.ts'

/** The time to convert a decimal to digits grows with the square of its size. */
const MAX_DECIMAL_BYTES = 256
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i
const DURATION = ['months', 'days', 'millis'] as const

/** Returns the bytes as JSON text. Fails for a decimal that is too large. */
export function bytesToJson(bytes: Uint8Array, meaning: BytesLogicalType): Result<string, string> {
  switch (meaning.as) {
    case 'bytes':
      return ok(`"${toBase64(bytes)}"`)
    case 'uuid':
      return ok(`"${toHex(bytes).replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-')}"`)
    case 'duration':
      return ok(toDuration(bytes))
    case 'decimal':
      if (bytes.length > MAX_DECIMAL_BYTES) return fail(`a decimal has more than ${MAX_DECIMAL_BYTES} bytes`)
      return ok(`"${toDecimal(bytes, meaning.scale)}"`)
  }
}

/** Returns the bytes of a parsed JSON value. A decimal fills `sizeBytes`, if given. Fails with a reason of the form `must …`. */
export function bytesOf(value: unknown, meaning: BytesLogicalType, sizeBytes?: number): Result<Uint8Array, string> {
  switch (meaning.as) {
    case 'bytes': {
      const bytes = typeof value === 'string' ? fromBase64(value) : undefined
      return bytes === undefined ? fail('must be a base64 string') : ok(bytes)
    }
    case 'uuid':
      if (typeof value !== 'string' || !UUID.test(value)) return fail('must be a UUID')
      return ok(fromHex(value.replaceAll('-', '')))
    case 'duration':
      return ofDuration(value)
    case 'decimal':
      return ofDecimal(value, meaning.scale, sizeBytes)
  }
}

function toDuration(bytes: Uint8Array): string {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  return JSON.stringify(Object.fromEntries(DURATION.map((name, n) => [name, view.getUint32(n * 4, true)])))
}

function ofDuration(value: unknown): Result<Uint8Array, string> {
  const bytes = new Uint8Array(DURATION.length * 4)
  for (const [n, name] of DURATION.entries()) {
    const part = Number(numberText((value as Readonly<Record<string, unknown>> | null)?.[name]) ?? 'none')
    if (!Number.isInteger(part) || part < 0 || part >= 2 ** 32) {
      return fail('must be an object of months, days and millis, whole numbers all')
    }
    new DataView(bytes.buffer).setUint32(n * 4, part, true)
  }
  return ok(bytes)
}

/** Parses two's complement, big endian. Returns text, because money must not be rounded. */
function toDecimal(bytes: Uint8Array, scale: number): string {
  const unscaled = bytes.length === 0 ? 0n : BigInt.asIntN(bytes.length * 8, BigInt(`0x${toHex(bytes)}`))
  const digits = (unscaled < 0n ? -unscaled : unscaled).toString().padStart(scale + 1, '0')
  const sign = unscaled < 0n ? '-' : ''
  return scale === 0 ? sign + digits : `${sign}${digits.slice(0, -scale)}.${digits.slice(-scale)}`
}

/** Returns a string or number as a decimal, in `sizeBytes` bytes or, without it, in as few as possible. */
function ofDecimal(value: unknown, scale: number, sizeBytes?: number): Result<Uint8Array, string> {
  const text = typeof value === 'string' ? value : (numberText(value) ?? '')
  const [, sign = '', whole = '', part = ''] = /^(-?)(\d{1,300})(?:\.(\d{1,300}))?$/.exec(text) ?? []
  if (whole === '' || part.length > scale) {
    return fail(`must be a decimal such as "12.5", with ${scale} digits behind the point at most`)
  }
  const unscaled = BigInt(`${whole}${part.padEnd(scale, '0')}`) * (sign === '-' ? -1n : 1n)
  let bytes = 1
  while (BigInt.asIntN(bytes * 8, unscaled) !== unscaled) bytes += 1
  if (sizeBytes !== undefined && bytes > sizeBytes) return fail(`must fit into ${sizeBytes} bytes`)
  const width = sizeBytes ?? bytes
  const hex = BigInt.asUintN(width * 8, unscaled).toString(16)
  return ok(fromHex(hex.padStart(width * 2, '0')))
}
