// What a token brought ends with it: with its time, with its session, and when a new token does not permit it.
import { expect, it } from 'vitest'
import { ANONYMOUS } from '../../../../src/core/identity/principal.ts'
import type { Shard } from '../../../../src/objects/shard/create-shard.ts'
import { inComposedShard } from '../../../support/composed-shard.ts'
import { asUser } from '../../../support/shard-clients.ts'

const EXTRACTORS = JSON.stringify({
  order: { tenant: { enforced: true, event: { json_pointer: '/data/tenant' }, jwt: { json_pointer: '/tenant' } } },
})
const ofTenant = (tenant: string) => [{ eventType: 'order', oneOf: [{ tenant }] }]
const news = { eventType: 'news', oneOf: [] }

function only(shard: Pick<Shard, 'connections'>) {
  const [connection] = shard.connections.all()
  if (connection === undefined) throw new Error('there is no connection')
  return connection
}

it('a set by several tokens ends with the first of them, and with the session of any', async () => {
  await inComposedShard({ EXTRACTORS, TYPES: '{}' }, async (shard) => {
    const { admin, clock, connect, maintenance, subscriptions } = shard
    const response = await connect({ principal: ANONYMOUS })
    const { state } = only(shard)
    const principal = { user: null, session: 's1', expSeconds: clock.nowMs / 1_000 + 60, moreSessions: ['s2', 's1'] }
    const change = { subscriptions: [...ofTenant('a'), news], inferred: [], principal }
    expect(await subscriptions.replace(state.id, change)).toEqual({ ok: true, value: null })
    expect(only(shard).state.owner.sessions).toEqual(['s1', 's2'])
    clock.nowMs += 61_000
    await maintenance.sweep()
    expect(only(shard).state.subscriptions).toEqual([news])
    const revoked = await admin.run({ kind: 'revoke_session', session: 's2', expiresMs: clock.nowMs + 60_000 }, [], 1)
    expect(revoked).toMatchObject([{ value: 1 }])
    expect(shard.connections.size).toBe(0)
    await response.body?.cancel()
  })
})

it('a set by a token of a revoked session is refused, whichever of its tokens that is', async () => {
  await inComposedShard({}, async (shard) => {
    const response = await shard.connect({ principal: ANONYMOUS })
    shard.revocations.remember('s2', shard.clock.nowMs + 60_000)
    const principal = { ...asUser('alice'), session: 's1', moreSessions: ['s2'] }
    const change = { subscriptions: [news], inferred: [], principal }
    expect(await shard.subscriptions.replace(only(shard).state.id, change)).toEqual({
      ok: false,
      reason: { kind: 'session_revoked', session: 's2' },
    })
    await response.body?.cancel()
  })
})

it('a subscription within the claims of the old token ends with a new one of other claims, and stays with the same', async () => {
  await inComposedShard({ EXTRACTORS, TYPES: '{}' }, async (shard) => {
    const principal = { user: 'alice', session: null, expSeconds: shard.clock.nowMs / 1_000 + 60 }
    const given = [...ofTenant('a'), news]
    const response = await shard.connect({ principal, subscriptions: given, inferred: [] })
    const { id } = only(shard).state
    const renewed = { ...principal, expSeconds: shard.clock.nowMs / 1_000 + 600 }
    expect(await shard.renewal.renew(id, renewed, ofTenant('a'), { tenant: 'a' })).toMatchObject({ ok: true })
    expect(only(shard).state.subscriptions).toEqual([...ofTenant('a'), news])
    expect(await shard.renewal.renew(id, renewed, ofTenant('b'), { tenant: 'b' })).toMatchObject({ ok: true })
    expect(only(shard).state.subscriptions).toEqual([news, ...ofTenant('b')])
    await response.body?.cancel()
  })
})

it('a Worker of an earlier version does not tell the claims: then only what needs none stays', async () => {
  await inComposedShard({ EXTRACTORS, TYPES: '{}' }, async (shard) => {
    const principal = { user: 'alice', session: null, expSeconds: shard.clock.nowMs / 1_000 + 60 }
    const response = await shard.connect({ principal, subscriptions: [...ofTenant('a'), news], inferred: [] })
    await shard.renewal.renew(only(shard).state.id, principal, [], undefined)
    expect(only(shard).state.subscriptions).toEqual([news])
    await response.body?.cancel()
  })
})
