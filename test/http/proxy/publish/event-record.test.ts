import { describe, expect, it } from 'vitest'
import { parseConfig } from '../../../../src/config/parse-config.ts'
import type { LogRecord } from '../../../../src/core/events/kafka-record.ts'
import { createKafkaLog } from '../../../../src/kafka/create-kafka-log.ts'
import { TestRegistry } from '../../../support/registry.ts'
import { makeGateway, UPSTREAM, type Gateway } from '../gateway.ts'
import { expectLogs } from '../../../support/expect-logs.ts'
import { eventually } from '../../../support/eventually.ts'

expectLogs(/the schema registry did not answer/)

const ORDER = {
  type: 'record',
  name: 'Order',
  fields: [
    { name: 'cents', type: 'long' },
    { name: 'note', type: ['null', 'string'], default: null },
  ],
}
const decode = (bytes: Uint8Array | null | undefined) => new TextDecoder().decode(bytes ?? undefined)
let tests = 0

/** RIG's form, with a schema. */
async function makeAvroGateway(variables: Readonly<Record<string, unknown>> = {}, subject = 'orders-value') {
  tests += 1
  const registry = new TestRegistry(`proxy-${tests}`)
  const topic = `avro-requests-${tests}`
  const endpoints = [
    { id: 'publish', method: 'POST', path_regex: '/publish', target: 'kafka', topic, schema: subject },
    { id: 'plain', method: 'POST', path_regex: '/plain', target: 'kafka', topic },
    { id: 'service', method: 'GET', path_regex: '/service' },
  ]
  const url = new URL(UPSTREAM)
  const proxy = { target_url: `http://${url.hostname}`, port: Number(url.port) }
  const gateway = makeGateway([{ id: 'rig', name: 'rig', version_data: { default: { endpoints } }, proxy }], {
    KAFKA_SERIALIZER: 'avro',
    KAFKA_SCHEMA_REGISTRY_URL: registry.url,
    ...variables,
  })
  return { gateway, registry, topic }
}

async function recordIn(gateway: Gateway, topic: string): Promise<LogRecord> {
  const config = parseConfig(gateway.env)
  if (!config.ok) throw new Error(config.reason.join('\n'))
  const log = createKafkaLog(gateway.env, config.value)
  return eventually(async () => {
    for (const partition of await log.partitions(topic)) {
      const fetched = await log.fetch({ topic, partition, offset: 0 }, { maxBytes: 1_000_000, maxWaitMs: 0 })
      if (fetched.kind === 'records' && fetched.records[0] !== undefined) return fetched.records[0]
    }
    throw new Error('nothing yet')
  })
}

const headersOf = (record: LogRecord) =>
  Object.fromEntries(record.headers.map(({ key, value }) => [key, decode(value)]))
const event = (data: string) => `{"specversion":"0.2","id":"1","type":"t","source":"/s","n":2,"data":${data}}`
const post = (body: string): RequestInit => ({
  method: 'POST',
  headers: { 'content-type': 'application/json' },
  body,
})

describe('a request by KAFKA_SERIALIZER=avro', () => {
  it('is written by the newest schema of the route’s subject, what it says of itself in headers, as by RIG', async () => {
    const { gateway, registry, topic } = await makeAvroGateway()
    await registry.register('orders-value', '"string"')
    const id = await registry.register('orders-value', ORDER)
    const response = await gateway.fetch('/publish', post(event('{"cents":9007199254740993,"more":1}')))
    expect([response.status, await response.text()]).toEqual([202, 'Accepted.'])
    const record = await recordIn(gateway, topic)
    expect(record.value).toEqual(Uint8Array.of(0, 0, 0, 0, id, 0x82, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x20, 0x00))
    const headers = headersOf(record)
    expect(headers).toMatchObject({
      ce_specversion: '0.2',
      ce_id: '1',
      ce_type: 't',
      ce_source: '/s',
      ce_n: '2',
      'content-type': 'avro/binary',
    })
    expect(JSON.parse(headers['ce_rig'] ?? '')).toMatchObject({ method: 'POST', path: '/publish' })
    expect(headers).not.toHaveProperty('ce_data')
  })

  it('is JSON where the route names no schema, and where KAFKA_SERIALIZER is not set', async () => {
    for (const [path, variables] of [
      ['/plain', {}],
      ['/publish', { KAFKA_SERIALIZER: '' }],
    ] as const) {
      const { gateway, topic } = await makeAvroGateway(variables)
      expect((await gateway.fetch(path, post(event('1')))).status).toBe(202)
      expect(JSON.parse(decode((await recordIn(gateway, topic)).value))).toMatchObject({ id: '1', data: 1 })
    }
  })

  it('that does not fit the schema is told what does not, and where', async () => {
    const { gateway, registry, topic } = await makeAvroGateway()
    await registry.register('orders-value', ORDER)
    const response = await gateway.fetch('/publish', post(event('{"cents":"5"}')))
    expect(response.status).toBe(400)
    expect(await response.text()).toContain('does not fit the schema \\"orders-value\\": /cents must be a whole number')
    expect((await gateway.fetch('/publish', post(event('{"cents":5}')))).status).toBe(202)
    expect((await recordIn(gateway, topic)).offset).toBe(0)
  })

  it('is refused, and told why, while its schema cannot be had; and taken when it can', async () => {
    const { gateway, registry } = await makeAvroGateway()
    const ask = async () => {
      const response = await gateway.fetch('/publish', post(event('{"cents":5}')))
      return `${response.status} ${await response.text()}`
    }
    expect(await ask()).toMatch(/^503 .*has no subject \\"orders-value\\". Nothing was published/)
    await registry.register('orders-value', ORDER)
    await registry.behave({ fault: 401 })
    expect(await ask()).toMatch(/^503 .*registry does not answer at the moment. Nothing was published/)
    await registry.behave({})
    expect(await ask()).toBe('202 Accepted.')
    const { gateway: other, registry: bad } = await makeAvroGateway()
    await bad.register('orders-value', '{}', { schemaType: 'JSON' })
    expect((await other.fetch('/publish', post(event('{}')))).status).toBe(503)
  })
})

describe('the request log', () => {
  it('is written by KAFKA_LOG_SCHEMA', async () => {
    const text = (...names: string[]) => names.map((name) => ({ name, type: 'string' }))
    const schema = {
      type: 'record',
      name: 'Call',
      fields: [
        ...text('request_path'),
        { name: 'endpoint', type: { type: 'record', name: 'Endpoint', fields: text('id', 'method') } },
      ],
    }
    const topic = 'avro-request-log'
    const variables = { REQUEST_LOG: 'kafka', KAFKA_LOG_TOPIC: topic, KAFKA_LOG_SCHEMA: 'calls' }
    const { gateway, registry } = await makeAvroGateway(variables)
    await registry.register('calls', schema)
    await gateway.fetch('/service')
    await gateway.settled()
    const record = await recordIn(gateway, topic)
    expect(headersOf(record)).toMatchObject({ ce_type: 'com.rig.proxy.api.call', 'content-type': 'avro/binary' })
    expect([decode(record.key), decode(record.value?.subarray(5))]).toEqual([
      'partition',
      '\u0010/service\u000eservice\u0006GET',
    ])
  })
})
