// Records that real libraries write by a real registry's schemas into a real Kafka reach a browser's EventSource as JSON; and
// requests become such records. Run: npm run test:kafka
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import avro from 'avsc'
import { Kafka, logLevel, type Producer } from 'kafkajs'
import protobuf from 'protobufjs'
import { startRegistry } from '../../scripts/registry/apicurio.ts'
import { connectSse, type Client } from '../e2e/clients.ts'
import { until } from '../e2e/rigel.ts'
import { BROADCAST, TOPIC } from './events.ts'
import { RigelOnKafka } from './rigel-on-kafka.ts'

const CENTS = { type: 'fixed' as const, name: 'Cents', size: 2 }
const PLACE = [
  { name: 'key', type: 'string' },
  { name: 'n', type: 'int' },
]
const KEYED = { type: 'record' as const, name: 'Keyed', fields: [...PLACE, { name: 'price', type: 'Cents' }] }
const LATE = { type: 'record' as const, name: 'Keyed', fields: PLACE }
const PROTO = `syntax = "proto3"; package shop; import "money.proto";
  message Keyed { string key = 1; int32 n = 2; Money price = 3; }`
const MONEY = 'syntax = "proto3"; package shop; message Money { int64 cents = 1; }'

let registry: Awaited<ReturnType<typeof startRegistry>>
let rigelOnKafka: RigelOnKafka
let producer: Producer
let client: Client

void describe('a real registry', () => {
  before(async () => {
    registry = await startRegistry(23_481)
    const proxy = [{ id: 'orders', target: `kafka:${TOPIC}`, routes: { 'POST /orders': { schema: 'keyed-value' } } }]
    rigelOnKafka = await RigelOnKafka.start({ nodes: 1, port: 23_492, partitions: 2, sasl: false }, ({ brokers }) => ({
      KAFKA_BROKERS: brokers.plain,
      KAFKA_SCHEMA_REGISTRY_URL: registry.url,
      KAFKA_SCHEMA_REGISTRY_TIMEOUT_MS: '1000',
      KAFKA_SERIALIZER: 'avro',
      PROXY_CONFIG: JSON.stringify(proxy),
    }))
    const kafka = new Kafka({ brokers: rigelOnKafka.kafka.brokers.plain.split(','), logLevel: logLevel.NOTHING })
    producer = kafka.producer()
    await producer.connect()
    const { origin } = rigelOnKafka.rigel
    client = connectSse({ origin, user: null, token: null, types: [BROADCAST], addressedTypes: [] })
    await rigelOnKafka.produce(1)
    await until('the first event is there', () => client.seen.length > 0)
  })
  after(async () => {
    client?.close()
    await producer?.disconnect()
    await rigelOnKafka?.end()
    registry?.stop()
  })

  void test('Avro, with a schema that refers to another', async () => {
    await register('cents', { schema: JSON.stringify(CENTS) })
    const id = await register('keyed-value', {
      schema: JSON.stringify(KEYED),
      references: [{ name: 'Cents', subject: 'cents', version: 1 }],
    })
    const names = {}
    avro.Type.forSchema(CENTS, { registry: names })
    const type = avro.Type.forSchema(KEYED, { registry: names })
    const value = type.toBuffer({ key: 'a', n: 1, price: Buffer.from([1, 2]) })
    await send('avro', 'avro/binary', frame(id, value))
    assert.deepEqual((await seen('avro')).data, { key: 'a', n: 1, price: 'AQI=' })
  })

  void test('Protobuf, with a file that imports another', async () => {
    await register('money.proto', { schemaType: 'PROTOBUF', schema: MONEY })
    const references = [{ name: 'money.proto', subject: 'money.proto', version: 1 }]
    const id = await register('proto-value', { schemaType: 'PROTOBUF', schema: PROTO, references })
    const { root } = protobuf.parse(MONEY)
    protobuf.parse(PROTO, root)
    const value = root
      .lookupType('shop.Keyed')
      .encode({ key: 'p', n: 2, price: { cents: 5 } })
      .finish()
    await send('proto', 'application/protobuf', frame(id, Buffer.concat([Buffer.of(0), value])))
    assert.deepEqual((await seen('proto')).data, { key: 'p', n: 2, price: { cents: '5' } })
  })

  void test('JSON Schema', async () => {
    const schema = JSON.stringify({ $schema: 'http://json-schema.org/draft-07/schema#', type: 'object' })
    const id = await register('json-value', { schemaType: 'JSON', schema })
    await send('json', 'application/json', frame(id, Buffer.from('{"key":"j","n":3}')))
    assert.deepEqual((await seen('json')).data, { key: 'j', n: 3 })
  })

  void test('a request becomes a record in Avro, and comes back as JSON', async () => {
    const data = { key: 'http', n: 4, price: 'AQI=' }
    const post = (body: object) =>
      fetch(`${rigelOnKafka.rigel.origin}/orders`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ specversion: '1.0', id: 'http', source: '/h', type: BROADCAST, data: body }),
      })
    const refused = await post({ ...data, n: 'four' })
    assert.equal(refused.status, 400)
    assert.match(await refused.text(), /\/n must be a whole number/)
    const taken = await post(data)
    assert.equal(taken.status, 202, await taken.text())
    assert.deepEqual((await seen('http')).data, data)
  })

  void test('an unknown schema is a dead letter, and does not block', async () => {
    await send('unknown', 'avro/binary', frame(77_777, Buffer.of(0)))
    await rigelOnKafka.produce(1)
    const tool = '--topic rig-dead-letter --from-beginning --max-messages 1 --timeout-ms 20000'.split(' ')
    const options = [...tool, '--formatter-property', 'print.headers=true']
    const letter = await rigelOnKafka.kafka.tool('kafka-console-consumer', options)
    assert.match(letter, /rigel-reason:the schema registry has no schema 77777/)
  })

  void test('while it hangs the follower waits, says so, and goes on by itself: nothing is lost', async () => {
    const id = await register('late-value', { schema: JSON.stringify(LATE) })
    const type = avro.Type.forSchema(LATE)
    registry.pause()
    await send('late', 'avro/binary', frame(id, type.toBuffer({ key: 'l', n: 5 })))
    await until('health names the registry', async () =>
      (await rigelOnKafka.internal('health')).body.includes('schema registry'),
    )
    registry.resume()
    assert.deepEqual((await seen('late')).data, { key: 'l', n: 5 })
  })
})

async function register(subject: string, body: object): Promise<number> {
  const response = await fetch(`${registry.url}/subjects/${subject}/versions`, {
    method: 'POST',
    headers: { 'content-type': 'application/vnd.schemaregistry.v1+json' },
    body: JSON.stringify(body),
  })
  assert.equal(response.status, 200, await response.clone().text())
  return ((await response.json()) as { id: number }).id
}

function frame(id: number, data: Uint8Array): Buffer {
  const head = Buffer.alloc(5)
  head.writeUInt32BE(id, 1)
  return Buffer.concat([head, data])
}

async function send(id: string, contentType: string, value: Buffer): Promise<void> {
  const attributes = { ce_specversion: '1.0', ce_id: id, ce_source: '/r', ce_type: BROADCAST }
  const headers = { ...attributes, 'content-type': contentType }
  await producer.send({ topic: TOPIC, acks: -1, messages: [{ key: 'k', value, headers }] })
}

async function seen(id: string) {
  const find = () => client.seen.find((event) => event.id === id)
  await until(`the event ${id} is there`, () => find() !== undefined)
  const event = find()
  assert.ok(event)
  return event
}
