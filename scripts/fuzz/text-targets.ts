// The parsers of text that fuzz.ts runs: what clients, services, producers and operators write. Each has valid examples,
// and returns normally for every input: a Result, undefined or an empty list is right, a throw is not.
import { parseDefinitions } from '../../src/api-definitions/parse-definitions.ts'
import { readingsOf, toRequestPath } from '../../src/api-definitions/request-path.ts'
import { Router } from '../../src/api-definitions/router.ts'
import { parseConfig } from '../../src/config/parse-config.ts'
import { parseError } from '../../src/core/errors.ts'
import { parseBatch, parseElements, parseStructured } from '../../src/core/events/cloud-event.ts'
import { parseCorrelation, parseEventResponse } from '../../src/core/events/correlated-response.ts'
import { patternsOf } from '../../src/core/events/event-type-pattern.ts'
import { extractFields, extractRecipients, type Extractors } from '../../src/core/events/extractors.ts'
import { canonicalDecimal } from '../../src/core/exact-number.ts'
import { parseConnectionToken } from '../../src/core/identity/connection-token.ts'
import { parsePosition } from '../../src/core/identity/position.ts'
import { toId } from '../../src/core/identity/user-id.ts'
import { isObject, parseExactly, parseJson, sliceArray, sliceObjects } from '../../src/core/json.ts'
import { evaluateAll, parsePointer } from '../../src/core/json-pointer.ts'
import { stringifyScalars } from '../../src/core/scalar.ts'
import { parseSubscriptions } from '../../src/core/subscriptions/parse-subscriptions.ts'
import { parseJoin } from '../../src/objects/shard/transports/phoenix/channel.ts'
import { decodeMessage } from '../../src/objects/shard/transports/phoenix/message.ts'
import { parseClientFrame } from '../../src/objects/shard/transports/rigel-v1.ts'
import { parseAvroSchema } from '../../src/schema-registry/avro/avro-schema.ts'
import { parseProto } from '../../src/schema-registry/protobuf/proto-parser.ts'
import type { Target } from './target.ts'
import { mutateText } from './mutate.ts'

const EVENT =
  '{"specversion":"1.0","id":"1","source":"/s","type":"com.github.pull.create","data":{"to":["alice",9007199254740993],"n":1.5}}'
const SUBSCRIPTIONS =
  '[{"eventType":"com.github.*","oneOf":[{"n":{"gt":1,"lt":9007199254740993}},{"n":null,"m":"x"}]},{"event_type":"t"}]'
const SHORT =
  '[{"id":"a","proxy":{"target_url":"http://h:1"},"version_data":{"default":{"endpoints":[{"id":"e","method":"GET","path":"/a/{id}","secured":true}]}}}]'
const ROUTES =
  '[{"id":"shop","target":"http://shop","routes":{"GET /orders/{id}":{"secured":true,"claims":{"/role":["a",1]}},"POST /x/*":"http://y"}}]'

const point = (text: string) => parsePointer(text) ?? []
const extractors: Extractors = new Map([
  [
    '*',
    [
      { name: 'n', event: point('/data/n'), claim: point('/n'), enforced: false },
      { name: 'm', event: point('/data/to'), claim: undefined, enforced: false },
    ],
  ],
])
const recipients = { byType: new Map(), all: point('/data/to') }
const definitionEnv = {
  variable: () => undefined,
  hasService: () => true,
  hasSource: () => true,
  hasRateLimit: () => true,
  canSignClaims: true,
}

function ofText(name: string, examples: readonly string[], run: (input: string) => unknown): Target {
  return { name, run: (random) => { const input = mutateText(random, examples); run(input); return input } } // prettier-ignore
}

/** Structured CloudEvents, and everything that is read out of one that is valid. */
function runEvent(text: string): void {
  const event = parseStructured(text)
  if (!event.ok) return
  const { parsed, type } = event.value
  patternsOf(type)
  extractFields(extractors, type, parsed)
  extractRecipients(recipients, type, parsed)
  parseEventResponse(text)
}

function runSubscriptions(text: string): void {
  const input = parseJson(text)
  const parsed = parseSubscriptions(input, { limit: 100, extractors, claims: isObject(input) ? input : {} })
  if (parsed.ok) stringifyScalars(structuredClone(parsed.value))
}

function runPath(text: string): void {
  readingsOf(toRequestPath(`/${text}`))
}

function runDefinitions(text: string): unknown {
  const documents = parseJson(text)
  const parsed = parseDefinitions(Array.isArray(documents) ? documents : [documents], definitionEnv)
  return parsed.ok ? new Router(parsed.value) : undefined
}

function runJson(text: string): void {
  const value = parseJson(text)
  if (value === undefined) return
  JSON.stringify(value)
  JSON.stringify(parseExactly(text))
  if (Array.isArray(value)) sliceArray(text)
  sliceObjects(text)
  toId(value)
}

export const TEXT_TARGETS: readonly Target[] = [
  ofText('json', [EVENT, SUBSCRIPTIONS, '[1,1.0,1e3,-0,12345678901234567890]'], runJson),
  ofText('number', ['1', '-1.50', '1e3', '9007199254740993', '1e-7'], canonicalDecimal),
  ofText('pointer', ['/a/b', '/a~1b/0', '/data/to'], (text) => evaluateAll(parsePointer(text) ?? [], { a: { b: [1] } })),
  ofText('event', [EVENT, EVENT.replace('1.0', '0.2'), '{"cloudEventsVersion":"0.1","eventID":1,"eventType":"t"}'], runEvent),
  ofText('batch', [`[${EVENT},${EVENT}]`, '[]'], (text) => [parseBatch(text), parseElements(text, 3)]),
  ofText('correlation', ['0.0123456789abcdef0123456789abcdef', '{"rig":{"correlation":"x"}}'], parseCorrelation),
  ofText('subscriptions', [SUBSCRIPTIONS], runSubscriptions),
  ofText('position', ['0.abc123-42', '12.zz-0'], parsePosition),
  ofText('connection-token', [`3.${'0a'.repeat(16)}`], parseConnectionToken),
  ofText('error', ['{"kind":"bad_request","message":"x"}', '{"kind":"no_token"}'], parseError),
  ofText('rigel.v1', ['{"type":"ack","id":"0.a-1"}', `{"type":"subscribe","subscriptions":${SUBSCRIPTIONS},"ref":"1"}`], parseClientFrame),
  ofText('phoenix', ['["1","1","user:bob","phx_join",{"last_event_id":"0.a-1"}]', '{"topic":"t","event":"e","payload":{},"ref":"1"}'], (text) => [decodeMessage(1, text), decodeMessage(2, text)?.payload, parseJoin(decodeMessage(2, text)?.payload)]),
  ofText('path', ['a/b', 'a%2Fb/..;/c', 'orders/1;x=y', '%u002f/%c0%af'], runPath),
  ofText('definitions', [SHORT, ROUTES], runDefinitions),
  ofText('extractors', ['{"t":{"n":{"stable_field_index":1,"event":{"json_pointer":"/data/n"}}}}', '/data/to'], (EXTRACTORS) => parseConfig({ EXTRACTORS })),
  ofText('avro-schema', ['{"type":"record","name":"A","fields":[{"name":"n","type":["null","long"]}]}', '"string"'], (text) => parseAvroSchema(text)),
  ofText('proto', ['syntax = "proto3"; package a; message M { int64 n = 1; repeated string s = 2; map<string, M> m = 3; oneof o { bool b = 4; } }'], (text) => parseProto('a.proto', text)),
] // prettier-ignore
