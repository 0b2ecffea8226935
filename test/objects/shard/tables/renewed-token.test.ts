// Tables of clients whose token is renewed by another one, which permits more or less: what it does not permit any more goes.
import { describe, expect, it } from 'vitest'
import { tableOfEvents, type TableEvent } from '../../../../scripts/table-of-events.ts'
import type { TypeGrant } from '../../../../src/core/rules/type-grant.ts'

import type { Connection } from '../../../../src/objects/shard/connections/connection.ts'
import { inComposedShard } from '../../../support/composed-shard.ts'
import { asUser, batch, event, newShard, SseClient } from '../../../support/shard-clients.ts'
import { TRANSPORT_HARNESSES, type TransportClient } from '../../../support/transport-clients.ts'

const TYPE = 'ruled.row'
const principal = asUser('alice')
const subscriptions = [{ eventType: TYPE, oneOf: [], state: true as const }]

function row(offset: number, key: string, tenant: string) {
  const json = JSON.stringify({ specversion: '1.0', id: `${offset}`, source: '/t', type: TYPE, subject: key, data: {} })
  return event(offset, { type: TYPE, utf8: new TextEncoder().encode(json), fields: { tenant }, row: [key, 0] })
}

function grantOf(tenants: readonly string[], only?: TypeGrant['only']): TypeGrant {
  const grant = { hasToken: true, roles: [], scopes: [], claims: { '/tenant': { in: tenants } } }
  return only === undefined ? grant : { ...grant, only }
}

/** What the client library shows. */
function shown(client: TransportClient) {
  const { dispatch, table } = tableOfEvents(TYPE)
  for (const one of client.received) dispatch(one as unknown as TableEvent)
  return [table.state, ...[...table.rows.keys()].toSorted((a, b) => a.localeCompare(b))]
}

describe.each(TRANSPORT_HARNESSES.filter(({ name }) => name !== 'phoenix'))('$name', ({ open }) => {
  it('loses the rows that a new token does not permit, gets those that it does, and changes by the new one', async () => {
    const shard = newShard()
    const client = await open(shard, { principal, subscriptions, grant: grantOf(['a', 'b']) })
    await client.until('rig.table.complete', 1)
    await shard.append([batch([row(0, 'x', 'a'), row(1, 'y', 'b'), row(2, 'z', 'c')])])
    await client.until(TYPE, 2)
    expect(shown(client)).toEqual(['current', 'x', 'y'])
    await client.renew?.(grantOf(['b']))
    await client.until('rig.table.complete', 2)
    expect(shown(client)).toEqual(['current', 'y'])
    await shard.append([batch([row(3, 'x', 'c'), row(4, 'y', 'a'), row(5, 'z', 'b')])])
    await client.until('rig.table.removed', 1)
    await client.until(TYPE, 4)
    expect(shown(client)).toEqual(['current', 'z'])
    await client.renew?.(grantOf(['a', 'b', 'c']))
    await client.until('rig.table.complete', 3)
    expect(shown(client)).toEqual(['current', 'x', 'y', 'z'])
    await client.renew?.(grantOf(['a', 'b', 'c'], { subscribe: ['other.*'] }))
    await client.until('rig.table.complete', 4)
    expect(shown(client)).toEqual(['current'])
    expect(client.received.filter(({ type }) => type === 'rig.table.removed')).toHaveLength(1)
    await client.close()
  })

  it('gets nothing again for a token that permits the same', async () => {
    const shard = newShard()
    const client = await open(shard, { principal, subscriptions, grant: grantOf(['a']) })
    await client.until('rig.table.complete', 1)
    await client.renew?.(grantOf(['a']))
    await client.renew?.(grantOf(['a']))
    await shard.append([batch([row(0, 'x', 'a')])])
    await client.until(TYPE, 1)
    expect(client.received.filter(({ type }) => type === 'rig.table.reset')).toHaveLength(1)
    await client.close()
  })
})

it('a table goes with its subscription, if that is not within the claims of the new token', async () => {
  const EXTRACTORS = JSON.stringify({
    order: { tenant: { enforced: true, event: { json_pointer: '/data/tenant' }, jwt: { json_pointer: '/tenant' } } },
  })
  const TABLES = JSON.stringify({ order: { topic: 'rig' } })
  await inComposedShard({ EXTRACTORS, TABLES, TYPES: '{}' }, async (shard) => {
    const own = { ...principal, expSeconds: shard.clock.nowMs / 1_000 + 60 }
    const ofTenant = [{ eventType: 'order', oneOf: [{ tenant: 'a' }], state: true as const }]
    const client = new SseClient(await shard.connect({ principal: own, subscriptions: ofTenant }))
    const [{ state }] = [...shard.connections.all()] as [Connection]
    expect(await shard.renewal.renew(state.id, own, [], { tenant: 'b' })).toMatchObject({ ok: true })
    const [failed] = await client.until(1, 'rig.table.failed')
    expect(failed?.data['data']).toEqual({ type: 'order', reason: 'its subscription has ended' })
    expect(client.frames.findIndex(({ event: type }) => type === 'rig.table.reset')).toBeGreaterThan(0)
    await client.close()
  })
})
