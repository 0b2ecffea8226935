// Makes an aggregated record as Amazon's Kinesis Producer Library does, from pairs of key and data.
import { concat } from '../../src/core/bytes.ts'

const encoder = new TextEncoder()

type Digest = (bytes: Uint8Array) => Promise<Uint8Array>

const md5: Digest = async (bytes) => new Uint8Array(await crypto.subtle.digest('MD5', bytes))

export async function aggregate(
  records: readonly (readonly [key: string, data: string])[],
  digestOf: Digest = md5,
): Promise<Uint8Array> {
  const keys = [...new Set(records.map(([key]) => key))]
  const message = concat([
    ...keys.map((key) => field(1, encoder.encode(key))),
    ...records.map(([key, data]) =>
      field(3, concat([Uint8Array.of(8, keys.indexOf(key)), field(3, encoder.encode(data))])),
    ),
  ])
  const digest = await digestOf(message)
  return concat([Uint8Array.of(0xf3, 0x89, 0x9a, 0xc2), message, digest])
}

function field(number: number, bytes: Uint8Array): Uint8Array {
  const length = bytes.length < 128 ? [bytes.length] : [(bytes.length % 128) + 128, Math.floor(bytes.length / 128)]
  return concat([Uint8Array.of(number * 8 + 2, ...length), bytes])
}
