import { expect, it } from 'vitest'
import { DURABLE_OBJECTS } from '../../src/config/bindings.ts'
import { loadConfig } from '../../src/config/parse-config.ts'
import { groupNumber, shardAt } from '../../src/core/shard-map/shard-number.ts'
import { directoryStub } from '../../src/rpc/directory.ts'
import { kafkaProducerStub } from '../../src/rpc/kafka-producer.ts'
import { presenceStub } from '../../src/rpc/presence.ts'
import { shardStub } from '../../src/rpc/shard.ts'
import { expectLogs } from '../support/expect-logs.ts'

/** An env whose stubs say where they come from. */
function envWith(variables: object): Env {
  const namespaceOf = (binding: string, jurisdiction: string) => ({
    jurisdiction: (within: string) => namespaceOf(binding, within),
    getByName: (name: string, options?: object) => [binding, jurisdiction, name, options],
  })
  const bindings = DURABLE_OBJECTS.map((binding) => [binding, namespaceOf(binding, 'anywhere')])
  return { JWT_SECRET_KEY: 'a test secret of 32 bytes or more', ...Object.fromEntries(bindings), ...variables } as Env
}

it('objects are created near their first caller, if no variable names a place', () => {
  const env = envWith({})
  expect(shardStub(env, 3)).toEqual(['USER_SHARD', 'anywhere', 'shard-3', undefined])
  expect(directoryStub(env)).toEqual(['DIRECTORY', 'anywhere', 'directory', undefined])
})

it('every object is in the jurisdiction; what talks to brokers is near them, shards near users', () => {
  const env = envWith({ JURISDICTION: 'eu', FOLLOWER_LOCATION: 'weur', SHARD_LOCATION: 'eeur' })
  expect(shardStub(env, 3)).toEqual(['USER_SHARD', 'eu', 'shard-3', { locationHint: 'eeur' }])
  expect(kafkaProducerStub(env, 1)).toEqual(['KAFKA_PRODUCER', 'eu', 'producer-1', { locationHint: 'weur' }])
  expect(presenceStub(env, 'user:a')).toEqual(['PRESENCE_TOPIC', 'eu', 'user:a', undefined])
})

it('shards of a group are near its users, those of a group without a place where all others are', () => {
  const SHARD_GROUPS = JSON.stringify([
    { name: 'eu', location: 'weur', claim: { '/region': ['eu'] } },
    { name: 'me', continents: ['AS'] },
    { name: 'rest', location: 'enam' },
  ])
  const env = envWith({ SHARD_GROUPS, SHARD_LOCATION: 'me' })
  const placeOf = (shard: number) => (shardStub(env, shard) as unknown as readonly unknown[]).slice(2)
  const [eu, me, gone] = ['eu', 'me', 'gone'].map((name) => shardAt(groupNumber(name), 3))
  expect(placeOf(eu ?? 0)).toEqual([`shard-${eu}`, { locationHint: 'weur' }])
  expect(placeOf(me ?? 0)).toEqual([`shard-${me}`, { locationHint: 'me' }])
  expect(placeOf(3)).toEqual(['shard-3', { locationHint: 'enam' }])
  expect(placeOf(gone ?? 0)).toEqual([`shard-${gone}`, { locationHint: 'me' }])
})

it('a runtime without jurisdictions is a problem of the configuration, not of each call', () => {
  expectLogs(/"message":"Rigel is misconfigured"/)
  const noJurisdiction = () => {
    throw new Error('Jurisdiction restrictions are not implemented in workerd.')
  }
  const bindings = DURABLE_OBJECTS.map((binding) => [binding, { jurisdiction: noJurisdiction }])
  const env = { ...envWith({ JURISDICTION: 'eu' }), ...Object.fromEntries(bindings) }
  const problem =
    'JURISDICTION: must not be set where Rigel is not on Cloudflare: Error: Jurisdiction restrictions are not implemented in workerd.'
  expect(loadConfig(env)).toEqual({ ok: false, reason: [problem] })
})

it('no module gets a stub past these variables', () => {
  const sources = import.meta.glob<string>('../../src/**/*.ts', { query: '?raw', import: 'default', eager: true })
  const past = Object.entries(sources).filter(([, text]) => /\.(getByName|idFromName|newUniqueId)\(/.test(text))
  expect(past.map(([path]) => path)).toEqual(['../../src/rpc/object-stub.ts'])
})
