import { env } from 'cloudflare:workers'
import { evictDurableObject, runDurableObjectAlarm, runInDurableObject } from 'cloudflare:test'
import { describe, expect, it } from 'vitest'
import { shardOf } from '../../../src/core/delivery/shard-hash.ts'
import { LATEST_MS } from '../../../src/core/time/times.ts'
import { sessionRegistryStub } from '../../../src/rpc/session-registry.ts'
import { shardStub } from '../../../src/rpc/shard.ts'
import { expectLogs } from '../../support/expect-logs.ts'
import { asUser, WsClient } from '../../support/shard-clients.ts'

expectLogs(/shards not notified of a revocation/)

const SHARDS = 3
/** A user of each shard. */
const users = Array.from({ length: SHARDS }, (_, shard) => {
  for (let n = 0; ; n += 1) if (shardOf(`user ${n}`, SHARDS) === shard) return `user ${n}`
})
const at = (shard: number) => asUser(users[shard] ?? '')
const inAnHour = () => Date.now() + 3_600_000

function rowsOf(stub: DurableObjectStub, table: string) {
  return runInDurableObject(stub, (_object, { storage }) =>
    storage.sql.exec<{ session: string; shard?: number }>(`SELECT * FROM ${table}`).toArray(),
  )
}

/** `from` → `to` is a table of the shard: without it a revocation fails there. */
function rename(shard: number, from: string, to: string) {
  return runInDurableObject(shardStub(env, shard), (_shard, { storage }) => {
    storage.sql.exec(`ALTER TABLE ${from} RENAME TO ${to}`)
  })
}

/** There are 64 registries, and the sessions of other tests end earlier. */
async function unusedRegistry() {
  for (;;) {
    const registry = sessionRegistryStub(env, crypto.randomUUID())
    if ((await rowsOf(registry, 'revoked')).length === 0) return registry
  }
}

describe('a revocation', () => {
  it('writes a row only at shards that have connections of the session', async () => {
    const session = crypto.randomUUID()
    const client = await WsClient.open(shardStub(env, 1), { principal: { ...at(1), session } })
    const registry = sessionRegistryStub(env, session)
    expect(await registry.revoke(session, inAnHour())).toBe(1)
    expect((await client.until(({ closed }) => closed !== undefined)).closed?.code).toBe(4501)
    const rows = await Promise.all([0, 1, 2].map((shard) => rowsOf(shardStub(env, shard), 'revoked_sessions')))
    expect(rows.map((of) => of.map((row) => row.session))).toEqual([[], [session], []])
    expect([await rowsOf(registry, 'pending'), await rowsOf(registry, 'untold')]).toEqual([[], []])
  })

  it('is known at the other shards too: a connection that was under way is refused', async () => {
    const session = crypto.randomUUID()
    await sessionRegistryStub(env, session).revoke(session, inAnHour())
    const late = await WsClient.open(shardStub(env, 2), { principal: { ...at(2), session } })
    expect((await late.until(({ closed }) => closed !== undefined)).closed?.code).toBe(4501)
  })

  it('is tried again, by alarm, at a shard that failed', async () => {
    const session = crypto.randomUUID()
    const client = await WsClient.open(shardStub(env, 0), { principal: { ...at(0), session } })
    await rename(0, 'revoked_sessions', 'gone')
    const registry = sessionRegistryStub(env, session)
    expect(await registry.revoke(session, inAnHour())).toBe(0)
    expect(await rowsOf(registry, 'pending')).toEqual([{ session, shard: 0 }])
    await rename(0, 'gone', 'revoked_sessions')
    await runDurableObjectAlarm(registry)
    expect((await client.until(({ closed }) => closed !== undefined)).closed?.code).toBe(4501)
    expect(await rowsOf(registry, 'pending')).toEqual([])
  })

  it('that ends later than an alarm can be set for, ends with the last alarm, and stops no other', async () => {
    const registry = await unusedRegistry()
    for (const expiresMs of [1e308, Infinity, 2 ** 53]) await registry.revoke(`until ${expiresMs}`, expiresMs)
    expect(await runDurableObjectAlarm(registry)).toBe(true)
    const alarmMs = await runInDurableObject(registry, (_registry, { storage }) => storage.getAlarm())
    expect(alarmMs).toBe(LATEST_MS)
    expect(await registry.revokedUntil('until Infinity')).toBe(LATEST_MS)
  })

  it('goes on when the registry died before it had told anybody', async () => {
    const session = crypto.randomUUID()
    const client = await WsClient.open(shardStub(env, SHARDS - 1), { principal: { ...at(SHARDS - 1), session } })
    const registry = sessionRegistryStub(env, session)
    await runInDurableObject(registry, (_registry, { storage }) => {
      storage.sql.exec('INSERT INTO revoked VALUES (?, ?)', session, inAnHour())
      storage.sql.exec('INSERT INTO untold VALUES (?)', session)
      return storage.setAlarm(Date.now() + 60_000)
    })
    await evictDurableObject(registry)
    await runDurableObjectAlarm(registry)
    expect((await client.until(({ closed }) => closed !== undefined)).closed?.code).toBe(4501)
    expect(await rowsOf(registry, 'untold')).toEqual([])
  })
})
