/* oxlint-disable typescript/no-non-null-assertion -- Indexes are bytes, and the table has all of them. Checks would cost more than the checksum. */
// CRC-32C (Castagnoli), the checksum of record batches. Sixteen bytes per step, because it covers every fetched byte. Pure.
// https://www.rfc-editor.org/rfc/rfc3720#appendix-B.4

/** 0x1EDC6F41 with its bits reversed. */
const POLYNOMIAL = 0x82f63b78
const SLICES = 16
const TABLE = makeTable()

/** Table n holds the checksums of a byte followed by n zero bytes. */
function makeTable(): Int32Array {
  const table = new Int32Array(256 * SLICES)
  for (let byte = 0; byte < 256; byte += 1) {
    let crc = byte
    for (let bit = 0; bit < 8; bit += 1) crc = crc & 1 ? (crc >>> 1) ^ POLYNOMIAL : crc >>> 1
    table[byte] = crc
  }
  for (let at = 256; at < table.length; at += 1) {
    const previous = table[at - 256] ?? 0
    table[at] = (previous >>> 8) ^ (table[previous & 0xff] ?? 0)
  }
  return table
}

/** Returns the checksum as an unsigned 32-bit number. */
export function crc32c(bytes: Uint8Array): number {
  const table = TABLE
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const wholeSteps = bytes.length - (bytes.length % SLICES)
  let crc = -1
  for (let at = 0; at < wholeSteps; at += SLICES) {
    const b = view.getInt32(at + 4, true)
    const c = view.getInt32(at + 8, true)
    const d = view.getInt32(at + 12, true)
    const ofLater =
      table[2816 + (b & 0xff)]! ^
      table[2560 + ((b >>> 8) & 0xff)]! ^
      table[2304 + ((b >>> 16) & 0xff)]! ^
      table[2048 + (b >>> 24)]! ^
      table[1792 + (c & 0xff)]! ^
      table[1536 + ((c >>> 8) & 0xff)]! ^
      table[1280 + ((c >>> 16) & 0xff)]! ^
      table[1024 + (c >>> 24)]! ^
      table[768 + (d & 0xff)]! ^
      table[512 + ((d >>> 8) & 0xff)]! ^
      table[256 + ((d >>> 16) & 0xff)]! ^
      table[d >>> 24]!
    // What needs the step before comes last: the processor has done the rest by then.
    const a = crc ^ view.getInt32(at, true)
    crc =
      ofLater ^
      table[3840 + (a & 0xff)]! ^
      table[3584 + ((a >>> 8) & 0xff)]! ^
      table[3328 + ((a >>> 16) & 0xff)]! ^
      table[3072 + (a >>> 24)]!
  }
  for (let at = wholeSteps; at < bytes.length; at += 1) crc = (crc >>> 8) ^ table[(crc ^ bytes[at]!) & 0xff]!
  return ~crc >>> 0
}
