// The parsers of bytes that fuzz.ts runs: Kafka's batches and codecs, and what a schema registry's users write. Decoders of
// the Kafka protocol throw a RangeError for invalid input, which their callers expect; codecs throw zlib's errors too.
import { gzipSync, zstdCompressSync } from 'node:zlib'
import { decodeRecord } from '../../src/decoding/decode-record.ts'
import { fromBinary } from '../../src/core/events/cloud-event.ts'
import { parseResponse } from '../../src/core/events/correlated-response.ts'
import { decodeUtf8 } from '../../src/core/text.ts'
import { readPushBody } from '../../src/http/events/push-body.ts'
import { decodeRecords } from '../../src/kafka/protocol/fetched-records.ts'
import { encodeBatch } from '../../src/kafka/protocol/record-batch.ts'
import { decompress } from '../../src/kafka/protocol/compression/compression.ts'
import { decodeMessage } from '../../src/objects/shard/transports/phoenix/message.ts'
import { decodeAvro } from '../../src/schema-registry/avro/avro-decode.ts'
import { parseAvroSchema } from '../../src/schema-registry/avro/avro-schema.ts'
import { toProtobufTypes } from '../../src/schema-registry/protobuf/proto-descriptor.ts'
import { createProtobufCodec } from '../../src/schema-registry/protobuf/protobuf-codec.ts'
import { readFrame, readMessagePath } from '../../src/schema-registry/wire-format.ts'
import type { Random } from '../random.ts'
import { mutateBytes } from './mutate.ts'
import type { Target } from './target.ts'

const GZIP = 1
const SNAPPY = 2
const LZ4 = 3
const ZSTD = 4
const MAX_CHARS = 1_000_000

const utf8 = (text: string) => new TextEncoder().encode(text)
const EVENT = utf8('{"specversion":"1.0","id":"1","source":"/s","type":"t","data":{"a":"é"}}')
const AT = { topic: 't', partition: 0 }
const NO_PRODUCER = { producerId: -1, epoch: -1, sequence: -1 }

const records = Array.from({ length: 5 }, (_, n) => ({
  topic: 't',
  timestampMs: 1_700_000_000_000 + n,
  key: utf8(`key ${n}`),
  value: EVENT,
  headers: [{ key: 'content-type', value: utf8('application/cloudevents+json') }],
}))
const BATCHES = (['none', 'gzip', 'zstd'] as const).map((codec) => encodeBatch(records, NO_PRODUCER, codec))

const CRC_END = 21
/** Batches whose checksum is right, so that what is behind it is read: only their bytes are wrong. */
function checksummed(bytes: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  if (bytes.length < CRC_END) return bytes
  const view = new DataView(bytes.buffer)
  view.setUint32(17, crc32c(bytes.subarray(CRC_END)))
  view.setInt32(8, bytes.length - 12)
  return bytes
}

function crc32c(bytes: Uint8Array): number {
  let crc = ~0
  for (const byte of bytes) {
    crc ^= byte
    for (let bit = 0; bit < 8; bit += 1) crc = crc & 1 ? (crc >>> 1) ^ 0x82f6_3b78 : crc >>> 1
  }
  return ~crc >>> 0
}

/** Snappy's raw format: the length, and one literal. */
const SNAPPY_RAW = Uint8Array.of(5, 16, 104, 101, 108, 108, 111)
/** One frame of LZ4 with one stored block of five bytes, without checksums. */
const LZ4_FRAME = Uint8Array.of(4, 34, 77, 24, 96, 64, 130, 5, 0, 0, 128, 104, 101, 108, 108, 111, 0, 0, 0, 0)

const avro = parseAvroSchema(
  '{"type":"record","name":"A","fields":[{"name":"n","type":["null","long"]},{"name":"l","type":{"type":"array","items":"string"}},{"name":"m","type":{"type":"map","values":"double"}},{"name":"next","type":["null","A"]}]}',
)
const AVRO_VALUE = Uint8Array.of(2, 14, 2, 2, 97, 0, 2, 2, 107, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)

const proto = toProtobufTypes({
  id: 1,
  type: 'PROTOBUF',
  text: 'syntax = "proto3"; message M { int64 n = 1; repeated string s = 2; map<string, M> m = 3; M next = 4; double d = 5; }',
  descriptor: null,
  references: [],
})
const PROTO_VALUE = Uint8Array.of(0, 8, 150, 1, 18, 1, 97, 34, 2, 8, 1)

function ofBytes(
  name: string,
  examples: readonly Uint8Array[],
  run: (input: Uint8Array<ArrayBuffer>) => unknown,
): Target {
  return { name, run: (random: Random) => { const input = mutateBytes(random, examples); run(input); return input } } // prettier-ignore
}

/** Runs a decoder that throws for invalid input. */
function expectingErrors(
  decode: (input: Uint8Array<ArrayBuffer>) => unknown,
): (input: Uint8Array<ArrayBuffer>) => void {
  return (input) => {
    try {
      decode(input)
    } catch (error) {
      const code = error instanceof Error && 'code' in error ? String(error.code) : ''
      if (!(error instanceof RangeError) && !/^(Z_|ZSTD_|ERR_BUFFER_TOO_LARGE|ERR_ZLIB)/.test(code)) throw error
    }
  }
}

function runRecord(value: Uint8Array<ArrayBuffer>): void {
  for (const type of ['application/cloudevents+json', 'application/json', undefined]) {
    const headers = type === undefined ? [] : [{ key: 'content-type', value: utf8(type) }]
    const ce = ['specversion', 'id', 'source', 'type'].map((name) => ({ key: `ce_${name}`, value: utf8('1.0') }))
    const record = { ...AT, offset: 0, timestampMs: 0, key: null, value }
    decodeRecord({ ...record, headers }, MAX_CHARS, null)
    decodeRecord({ ...record, headers: [...headers, ...ce] }, MAX_CHARS, null)
  }
}

function runBinary(data: Uint8Array<ArrayBuffer>): void {
  fromBinary({ specversion: '1.0', id: '1', source: '/', type: 't' }, 'application/json', data)
  parseResponse([['rig-correlation', 'x'], ['rig-response-code', '200']], data)
} // prettier-ignore

export const BYTE_TARGETS: readonly Target[] = [
  ofBytes('utf8', [EVENT, Uint8Array.of(0xef, 0xbb, 0xbf, 0x61)], decodeUtf8),
  ofBytes('record', [EVENT], runRecord),
  ofBytes('binary', [EVENT, Uint8Array.of(1, 2, 3)], runBinary),
  ofBytes('push', [EVENT, utf8('[{"a":1},{"b":2}]'), utf8('{"a":1}\n{"b":2}\n')], (body) => [readPushBody(undefined, body), readPushBody('application/x-ndjson', body)]),
  ofBytes('phoenix-binary', [Uint8Array.of(0, 1, 1, 1, 1, 49, 50, 116, 101, 123, 125)], (bytes) => decodeMessage(2, bytes.buffer)),
  ofBytes('batches', BATCHES, expectingErrors((bytes) => decodeRecords(AT, 0, bytes))),
  ofBytes('batches-checksummed', BATCHES, expectingErrors((bytes) => decodeRecords(AT, 0, checksummed(bytes)))),
  ofBytes('gzip', [gzipSync(EVENT)], expectingErrors((bytes) => decompress(GZIP, bytes))),
  ofBytes('snappy', [SNAPPY_RAW], expectingErrors((bytes) => decompress(SNAPPY, bytes))),
  ofBytes('lz4', [LZ4_FRAME], expectingErrors((bytes) => decompress(LZ4, bytes))),
  ofBytes('zstd', [zstdCompressSync(EVENT)], expectingErrors((bytes) => decompress(ZSTD, bytes))),
  ofBytes('frame', [Uint8Array.of(0, 0, 0, 0, 1, ...AVRO_VALUE)], (bytes) => readMessagePath(readFrame(bytes)?.body ?? bytes)),
  ofBytes('avro', [AVRO_VALUE], (bytes) => avro.ok && decodeAvro(avro.value, bytes, MAX_CHARS)),
  ofBytes('protobuf', [PROTO_VALUE], (bytes) => proto.ok && createProtobufCodec(proto.value).toJson(bytes, MAX_CHARS, false)),
] // prettier-ignore
