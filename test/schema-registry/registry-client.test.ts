import { describe, expect, it } from 'vitest'
import { createRegistryClient, RegistryUnavailable } from '../../src/schema-registry/registry-client.ts'
import { SchemaCache } from '../../src/schema-registry/schema-cache.ts'
import { SubjectCache } from '../../src/schema-registry/subject-cache.ts'
import { TestRegistry } from '../support/registry.ts'

let registries = 0
const sleep = async () => undefined

function makeClient(authorization: string | null = null, timeoutMs = 5_000) {
  registries += 1
  const registry = new TestRegistry(`client-${registries}`)
  return { registry, client: createRegistryClient({ url: registry.url, authorization, timeoutMs }, fetch) }
}

const fieldOf = (type: unknown) => ({ type: 'record', name: 'Has', fields: [{ name: 'it', type }] })

describe('a schema', () => {
  it('comes by its id', async () => {
    const { client, registry } = makeClient()
    const id = await registry.register('orders-value', '"int"')
    expect(await client.byId(id)).toEqual({
      ok: true,
      value: { id, type: 'AVRO', text: '"int"', descriptor: null, references: [] },
    })
  })

  it('comes by its GUID, which a record header names', async () => {
    const { client, registry } = makeClient()
    const guid = '00010203-0405-0607-0809-0a0b0c0d0e0f'
    await registry.register('orders-value', '"int"', { guid })
    expect(await client.byId(guid)).toMatchObject({ value: { id: guid, type: 'AVRO', text: '"int"' } })
    expect(await client.byId(guid.replace('0001', 'ffff'))).toEqual({ ok: false, reason: { kind: 'unknown_schema' } })
  })

  it('comes by its subject, the newest version, whatever characters the subject has', async () => {
    const { client, registry } = makeClient()
    await registry.register('a/b c?', '"int"')
    const id = await registry.register('a/b c?', '"long"')
    expect(await client.bySubject('a/b c?')).toMatchObject({ value: { id, text: '"long"' } })
  })

  it('comes with those that it refers to, each once, and after those that it refers to itself', async () => {
    const { client, registry } = makeClient()
    const reference = (subject: string) => ({ name: subject, subject, version: 1 })
    await registry.register('cents', { type: 'fixed', name: 'Cents', size: 2 })
    await registry.register('price', fieldOf('Cents'), { references: [reference('cents')] })
    const references = [reference('price'), reference('cents')]
    const id = await registry.register('order', { ...fieldOf('Has'), name: 'Order' }, { references })
    const schema = await client.byId(id)
    expect(schema.ok && schema.value.references.map(({ name }) => name)).toEqual(['cents', 'price'])
    const codecs = await new SchemaCache({ client, nowMs: () => 0, sleep }).codecsOf([id])
    const codec = codecs.get(id)
    expect(codec?.ok && codec.value.toJson(Uint8Array.of(1, 2), 100, false)).toEqual({
      ok: true,
      value: '{"it":{"it":"AQI="}}',
    })
  })

  it('that the registry does not have is a reason, and not a failure', async () => {
    const { client, registry } = makeClient()
    expect(await client.byId(7)).toEqual({ ok: false, reason: { kind: 'unknown_schema' } })
    expect(await client.bySubject('none')).toEqual({ ok: false, reason: { kind: 'unknown_schema' } })
    expect(await client.byId(4_000_000_000)).toEqual({ ok: false, reason: { kind: 'unknown_schema' } })
    expect((await registry.asked()).length).toBe(2)
  })

  it('that the registry cannot make sense of, or that is of no known type, is a reason', async () => {
    const { client, registry } = makeClient()
    const id = await registry.register('thrift-value', 'struct A {}', { schemaType: 'THRIFT' })
    expect(await client.byId(id)).toMatchObject({ ok: false, reason: { kind: 'unusable_schema' } })
    const dangling = await registry.register('order', fieldOf('A'), {
      references: [{ name: 'A', subject: 'gone', version: 3 }],
    })
    expect(await client.byId(dangling)).toEqual({
      ok: false,
      reason: { kind: 'unusable_schema', message: 'its reference A cannot be loaded' },
    })
  })
})

describe('a schema that would take too much', () => {
  it('refers to others in a circle, or to more than 100', async () => {
    const { client, registry } = makeClient()
    const reference = (subject: string) => ({ name: subject, subject, version: 1 })
    await registry.register('a', fieldOf('int'), { references: [reference('b')] })
    const id = await registry.register('b', fieldOf('int'), { references: [reference('a')] })
    const circle = await client.byId(id)
    expect(circle.ok && circle.value.references.map(({ name }) => name)).toEqual(['b', 'a'])
    const names = Array.from({ length: 101 }, (_, n) => `many-${n}`)
    for (const name of names) await registry.register(name, '"int"')
    const many = await registry.register('many', '"int"', { references: names.map(reference) })
    expect(await client.byId(many)).toEqual({
      ok: false,
      reason: { kind: 'unusable_schema', message: 'it has more than 100 references' },
    })
  })

  it('is larger than a mebibyte: waiting would not make it smaller', async () => {
    const { client, registry } = makeClient()
    await registry.behave({ fault: 'huge' })
    expect(await client.byId(1)).toEqual({
      ok: false,
      reason: { kind: 'unusable_schema', message: "the registry's answer has more than 1048576 bytes" },
    })
  })
})

describe('a registry', () => {
  it.each([
    ['Basic dTpw', 'Basic dTpw'],
    ['Bearer t', 'Bearer t'],
  ])('gets its credentials: %s', async (authorization) => {
    const { client, registry } = makeClient(authorization)
    const id = await registry.register('s', '"int"')
    await registry.behave({ authorization })
    expect(await client.byId(id)).toMatchObject({ ok: true })
  })

  it.each([
    [{ fault: 500 }, 'answered 500: 500 as it was told'],
    [{ fault: 503 }, 'answered 503'],
    [{ fault: 429 }, 'answered 429'],
    [{ fault: 403 }, 'answered 403'],
    // Not 40403: the address is wrong, and no record is to blame.
    [{ fault: 404 }, 'answered 404'],
    [{ fault: 'redirect' }, 'answered 302'],
    [{ fault: 'garbage' }, 'not a schema'],
    [{ fault: 'hang' }, 'no answer in 200 ms'],
    [{ fault: 'reset' }, 'schema registry'],
    [{ authorization: 'Basic other' }, 'answered 401: 401 Unauthorized'],
  ])('that does not answer as it should throws, to be asked again: %j', async (ways, message) => {
    const { client, registry } = makeClient('Basic c2VjcmV0', 200)
    const id = await registry.register('s', '"int"')
    await registry.behave(ways)
    const failure = await client.byId(id).catch((error: unknown) => error)
    expect(failure).toBeInstanceOf(RegistryUnavailable)
    expect(String(failure)).toContain(message)
    expect(String(failure)).toContain(registry.url)
    expect(String(failure)).not.toContain('c2VjcmV0')
    await registry.behave({})
    expect(await client.byId(id)).toMatchObject({ ok: true })
  })
})

describe('the schemas of a follower', () => {
  it('are asked for once, side by side, and those that came are kept when another fails', async () => {
    const { client, registry } = makeClient()
    const ids = [await registry.register('a', '"int"'), await registry.register('b', '"string"')]
    const cache = new SchemaCache({ client, nowMs: () => 0, sleep })
    for (let n = 0; n < 3; n += 1) await cache.codecsOf([...ids, ...ids])
    expect(await registry.asked()).toEqual(ids.map((id) => `/schemas/ids/${id}`))
    const third = await registry.register('c', '"long"')
    await registry.behave({ fault: 500 })
    await expect(cache.codecsOf([...ids, third])).rejects.toThrow('answered 500')
    expect([...ids, third].map((id) => cache.has(id))).toEqual([true, true, false])
  })

  it('that a node does not know yet are asked for once more, a moment later', async () => {
    const { client, registry } = makeClient()
    const slept: number[] = []
    const register = async (ms: number) => {
      slept.push(ms)
      await registry.register('late', '"int"')
    }
    const codecs = await new SchemaCache({ client, nowMs: () => 0, sleep: register }).codecsOf([1])
    expect([codecs.get(1)?.ok, slept]).toEqual([true, [1_000]])
  })

  it('that are unknown are asked for again later', async () => {
    const { client, registry } = makeClient()
    let nowMs = 0
    const cache = new SchemaCache({ client, nowMs: () => nowMs, sleep })
    const okOf = async () => (await cache.codecsOf([1])).get(1)?.ok
    expect(await okOf()).toBe(false)
    await registry.register('late', '"int"')
    nowMs = 29_999
    expect(await okOf()).toBe(false)
    nowMs = 30_000
    expect(await okOf()).toBe(true)
  })

  it('are no more than 100: the longest unused goes', async () => {
    let asked = 0
    const byId = async (id: number) => {
      asked += 1
      return { ok: true, value: { id, type: 'JSON', text: '{}', descriptor: null, references: [] } } as const
    }
    const cache = new SchemaCache({ client: { byId }, nowMs: () => 0, sleep })
    for (let id = 0; id < 100; id += 1) await cache.codecsOf([id])
    await cache.codecsOf([0, 100])
    expect([cache.has(0), cache.has(1), cache.has(100), asked]).toEqual([true, false, true, 101])
  })

  it('may be no Avro schemas that can be read: a reason as well', async () => {
    const { client, registry } = makeClient()
    const id = await registry.register('bad', '{"type":"record"}')
    const codecs = await new SchemaCache({ client, nowMs: () => 0, sleep }).codecsOf([id])
    expect(codecs.get(id)).toMatchObject({ ok: false, reason: { kind: 'unusable_schema' } })
  })

  it('of JSON Schema let through what is JSON', async () => {
    const { client, registry } = makeClient()
    const id = await registry.register('json', '{"type":"object"}', { schemaType: 'JSON' })
    const codec = (await new SchemaCache({ client, nowMs: () => 0, sleep }).codecsOf([id])).get(id)
    const toJson = (text: string) => codec?.ok && codec.value.toJson(new TextEncoder().encode(text), 20, false)
    expect(toJson('{"n":9007199254740993}')).toMatchObject({ reason: { kind: 'too_large' } })
    expect(toJson('[9007199254740993]')).toEqual({ ok: true, value: '[9007199254740993]' })
    expect(toJson('{')).toMatchObject({ reason: { kind: 'malformed' } })
  })
})

describe('Protobuf, of registries of every kind,', () => {
  const MONEY = 'syntax = "proto3"; package shop; message Money { int64 cents = 1; }'
  const ORDER = 'syntax = "proto3"; package shop; import "money.proto"; message Order { Money total = 1; }'
  /** Made by protobufjs: names are as the author wrote them. */
  const ORDER_DESCRIPTOR =
    'CgtvcmRlci5wcm90bxIEc2hvcBoLbW9uZXkucHJvdG8iGwoFT3JkZXISEgoFdG90YWwYASABMgVNb25leWIGcHJvdG8z'
  const references = [{ name: 'money.proto', subject: 'money.proto', version: 1 }]

  it.each([
    ['that serialize it (Confluent)', {}, ORDER_DESCRIPTOR],
    ['that do not know how (Redpanda before 25.2)', { serialized: 'unknown' }, ORDER_DESCRIPTOR],
    ['that fail at it (Karapace, with references)', { serialized: 'fails' }, ORDER_DESCRIPTOR],
  ])('%s, becomes JSON', async (_, ways, descriptor) => {
    const { client, registry } = makeClient()
    await registry.register('money.proto', MONEY, { schemaType: 'PROTOBUF' })
    const id = await registry.register('order', ORDER, { schemaType: 'PROTOBUF', references, descriptor })
    await registry.behave(ways)
    const codec = (await new SchemaCache({ client, nowMs: () => 0, sleep }).codecsOf([id])).get(id)
    if (codec?.ok !== true) throw new Error(JSON.stringify(codec))
    const json = codec.value.toJson(Uint8Array.of(0, 0x0a, 0x02, 0x08, 0x05), 1_000, false)
    expect(json).toEqual({ ok: true, value: '{"total":{"cents":"5"}}' })
  })
})

describe('the schemas of the proxy', () => {
  it('are the newest of their subject, for five minutes', async () => {
    const { client, registry } = makeClient()
    let nowMs = 0
    const cache = new SubjectCache({ client, nowMs: () => nowMs })
    const encode = async (data: unknown) => {
      const subject = await cache.find('orders')
      return subject.ok && subject.value.encode(data)
    }
    expect(await encode(1)).toBe(false)
    await registry.register('orders', '"int"')
    expect(await encode(1)).toEqual({ ok: true, value: Uint8Array.of(0, 0, 0, 0, 1, 2) })
    await registry.register('orders', '"string"')
    nowMs = 299_999
    expect(await encode('a')).toMatchObject({ ok: false, reason: expect.stringContaining('whole number') as string })
    nowMs = 300_000
    expect(await encode('a')).toEqual({ ok: true, value: Uint8Array.of(0, 0, 0, 0, 2, 2, 97) })
  })

  it('stay what they were while the registry does not answer', async () => {
    const { client, registry } = makeClient()
    let nowMs = 0
    const cache = new SubjectCache({ client, nowMs: () => nowMs })
    await registry.behave({ fault: 500 })
    await expect(cache.find('orders')).rejects.toThrow('answered 500')
    await registry.behave({})
    await registry.register('orders', '"int"')
    expect((await cache.find('orders')).ok).toBe(true)
    await registry.behave({ fault: 500 })
    nowMs = 1_000_000
    expect((await cache.find('orders')).ok).toBe(true)
    await registry.behave({})
    await registry.register('orders', '"string"')
    const subject = await cache.find('orders')
    expect(subject.ok && subject.value.encode('a')).toMatchObject({ ok: true })
  })

  it('must be Avro', async () => {
    const { client, registry } = makeClient()
    await registry.register('json', '{}', { schemaType: 'JSON' })
    expect(await new SubjectCache({ client, nowMs: () => 0 }).find('json')).toEqual({
      ok: false,
      reason: { kind: 'unusable_schema', message: 'it must be an Avro schema, but is JSON' },
    })
  })
})
