// One client that spends its own budget slows down nobody else: subscriptions, sessions, bytes that wait, tokens that end.
import { describe, expect, it } from 'vitest'
import type { ConnectRequest } from '../../../src/core/identity/principal.ts'
import { openConnection } from '../../../src/objects/shard/connections/open-connection.ts'
import { readError } from '../../../src/rpc/shard.ts'
import { inComposedShard, type ComposedShard } from '../../support/composed-shard.ts'
import { asUser, batch, connectRequest, event, newShard, SseClient, WsClient } from '../../support/shard-clients.ts'

const ANONYMOUS = { user: null, session: null, expSeconds: null }
const greeting = { eventType: 'greeting', oneOf: [] }
const booking = { eventType: 'booking', oneOf: [{ hotel: 'Ritz' }] }
const NOBODY: Partial<ConnectRequest> = { principal: ANONYMOUS }

async function openStream(shard: ComposedShard, wanted: Partial<ConnectRequest>) {
  const client = new SseClient(await shard.connect(wanted))
  const [created] = await client.until(1)
  const data = created?.data['data'] as Readonly<Record<string, unknown>>
  return { client, data, id: String(data['connection_token']).split('.')[1] ?? '' }
}

describe('subscriptions', () => {
  it('are changed at a rate: what is beyond is refused, after a second, and comes back with time', async () => {
    await inComposedShard({ MAX_SUBSCRIPTION_CHANGES_PER_MINUTE: '2' }, async (shard) => {
      const { client, id } = await openStream(shard, NOBODY)
      const change = { subscriptions: [], inferred: [], principal: ANONYMOUS }
      const replace = async () => (await shard.subscriptions.replace(id, change)).ok
      expect([await replace(), await replace()]).toEqual([true, true])
      const askedAtMs = Date.now()
      expect(await shard.subscriptions.replace(id, change)).toMatchObject({ reason: { kind: 'rate_limited' } })
      expect(Date.now() - askedAtMs).toBeGreaterThan(900)
      shard.clock.nowMs += 30_000
      expect([await replace(), await replace()]).toEqual([true, false])
      await client.close()
    })
  })

  it('count once more for every ten of a set: many new types cost more than few', async () => {
    await inComposedShard({ MAX_SUBSCRIPTION_CHANGES_PER_MINUTE: '12' }, async (shard) => {
      const { client, id } = await openStream(shard, NOBODY)
      const subscriptions = Array.from({ length: 50 }, (_, n) => ({ eventType: `type.${n}`, oneOf: [] }))
      const replace = async () =>
        (await shard.subscriptions.replace(id, { subscriptions, inferred: [], principal: ANONYMOUS })).ok
      expect([await replace(), await replace(), await replace()]).toEqual([true, true, false])
      await client.close()
    })
  })

  it('have a size per connection, and per shard, whose second half is for small sets', async () => {
    const limits = { MAX_SUBSCRIPTION_BYTES_PER_CONNECTION: '60000', MAX_SUBSCRIPTION_BYTES_PER_SHARD: '6000000' }
    await inComposedShard(limits, async ({ connect, connections }) => {
      const wide = (name: string, values: number) => [
        { eventType: 'booking', oneOf: [{ hotel: { in: Array.from({ length: values }, (_, n) => `${name}${n}`) } }] },
      ]
      const statusOf = async (subscriptions: ConnectRequest['subscriptions']) =>
        (await connect({ ...NOBODY, subscriptions })).status
      expect(await statusOf(wide('a', 8_000))).toBe(400)
      expect([await statusOf(wide('a', 4_000)), await statusOf(wide('a', 4_000))]).toEqual([200, 200])
      expect([await statusOf(wide('b', 4_500)), await statusOf(wide('c', 20))]).toEqual([503, 200])
      for (const connection of connections.all()) connections.remove(connection)
      expect(await statusOf(wide('b', 4_500))).toBe(200)
    })
  })

  it('of equal sets the index counts for each connection: it has an entry for each constraint of each', async () => {
    await inComposedShard({ MAX_SUBSCRIPTION_BYTES_PER_SHARD: '1000000' }, async ({ connect }) => {
      const oneOf = Array.from({ length: 200 }, (_, n) => ({ hotel: String(n) }))
      const statuses: number[] = []
      for (let n = 0; n < 6; n += 1)
        statuses.push((await connect({ ...NOBODY, subscriptions: [{ eventType: 'booking', oneOf }] })).status)
      expect(statuses).toEqual([200, 200, 200, 200, 200, 503])
    })
  })
})

it('a user, and clients without one, take a part of the new connections of a minute, and leave the rest to others', async () => {
  await inComposedShard({ MAX_CONNECTIONS_PER_MINUTE: '40' }, async ({ connect }) => {
    const openMany = async (count: number, wanted: Partial<ConnectRequest>) => {
      const statuses = await Promise.all(
        Array.from({ length: count }, async () => {
          const response = await connect(wanted)
          await response.body?.cancel()
          return response.status
        }),
      )
      return statuses.filter((status) => status === 200).length
    }
    expect(await openMany(40, { principal: asUser('mallory') })).toBe(4)
    expect(await openMany(40, NOBODY)).toBe(20)
    expect(await openMany(1, { principal: asUser('alice') })).toBe(1)
  })
})

it('a Phoenix client without a user publishes at the expense of its address, and not of a connection that it can open anew', async () => {
  await inComposedShard({ PUBLISH_EVENTS_PER_SECOND: '1' }, async (shard) => {
    const { phoenix } = shard.transports
    const publishFrom = async (payer: string) => {
      const request = connectRequest({
        ...NOBODY,
        transport: 'phoenix',
        phoenix: { vsn: 2, roles: [], meta: {}, payer },
      })
      const opened = await openConnection(shard, request, 'session', (opening) => phoenix.openSession(opening))
      const id = opened.ok ? opened.value.connectionId : ''
      const published = { specversion: '1.0', id: '1', source: '/test', type: 'greeting' }
      const frames = [
        ['1', '1', 'events:greeting', 'phx_join', {}],
        ['1', '2', 'events:greeting', 'event', published],
      ]
      await phoenix.push(
        id,
        frames.map((frame) => JSON.stringify(frame)),
      )
      const taken = await phoenix.poll(id, 0)
      const replies =
        taken.kind === 'messages' ? taken.frames.map((frame) => JSON.parse(frame) as readonly unknown[]) : []
      return replies.find(([, ref]) => ref === '2')?.[4]
    }
    expect(await publishFrom('address 192.0.2.1')).toMatchObject({ status: 'ok' })
    expect(await publishFrom('address 192.0.2.1')).toEqual({
      status: 'error',
      response: { reason: 'Too many requests.' },
    })
    expect(await publishFrom('address 192.0.2.2')).toMatchObject({ status: 'ok' })
  })
})

it('a Phoenix channel counts for the bytes of subscriptions of a shard with what it takes itself, until it is left', async () => {
  await inComposedShard({ MAX_SUBSCRIPTION_BYTES_PER_SHARD: '65536' }, async (shard) => {
    const { phoenix } = shard.transports
    const open = async () => {
      const request = connectRequest({ ...NOBODY, transport: 'phoenix', phoenix: { vsn: 2, roles: [], meta: {} } })
      const opened = await openConnection(shard, request, 'session', (opening) => phoenix.openSession(opening))
      return opened.ok ? opened.value.connectionId : ''
    }
    const ask = async (id: string, wanted: string, count: number, type = 't') => {
      const frames = Array.from({ length: count }, (_, n) =>
        JSON.stringify(['1', String(n), `events:${type}${n}`, wanted, {}]),
      )
      await phoenix.push(id, frames)
      const taken = await phoenix.poll(id, 0)
      return taken.kind === 'messages' ? taken.frames.filter((frame) => frame.includes('"status":"ok"')).length : 0
    }
    const joined = await ask(await open(), 'phx_join', 100)
    expect([joined > 50, joined < 100]).toEqual([true, true])
    const other = await open()
    expect(await ask(other, 'phx_join', 1, 'another.type')).toBe(0)
    for (const connection of shard.connections.all())
      if (connection.state.id !== other) shard.lifecycle.remove(connection)
    expect(await ask(other, 'phx_join', 10)).toBe(10)
  })
})

it('what a session is told of itself counts for the bytes of subscriptions of its shard, beyond what each may keep, until it ends', async () => {
  await inComposedShard({ MAX_SUBSCRIPTION_CHANGES_PER_MINUTE: '100' }, async (shard) => {
    const { connections } = shard
    const nothing = connections.heldBytes
    await shard.connect({ ...NOBODY, transport: 'longpolling' })
    const [session] = [...connections.all()]
    const empty = connections.heldBytes
    const set = async (...types: readonly string[]) => {
      const subscriptions = types.map((eventType) => ({ eventType, oneOf: [] }))
      const change = { subscriptions, inferred: [], principal: ANONYMOUS }
      expect((await shard.subscriptions.replace(session?.state.id ?? '', change)).ok).toBe(true)
    }
    await set('a'.repeat(900))
    await set()
    expect(connections.heldBytes).toBeLessThan(empty + 2_000)
    await set(...Array.from({ length: 50 }, (_, n) => `${n}.`.padEnd(900, 'x')))
    await set()
    expect(connections.heldBytes).toBeGreaterThan(empty + 45_000)
    if (session !== undefined) shard.lifecycle.remove(session)
    expect(connections.heldBytes).toBe(nothing)
  })
})

describe('a session without a socket and without a token', () => {
  it('has a limit of its own, and takes no place from others', async () => {
    await inComposedShard({ MAX_CONNECTIONS_PER_SHARD: '8' }, async ({ connect }) => {
      const open = async (principal: ConnectRequest['principal']) =>
        (await connect({ principal, transport: 'longpolling' })).status
      expect([await open(ANONYMOUS), await open(ANONYMOUS), await open(ANONYMOUS)]).toEqual([204, 204, 429])
      expect(await open(asUser('alice'))).toBe(204)
    })
  })

  it('has a shard that its position chose in half of the cases at most: then the Worker chooses another', async () => {
    await inComposedShard({ MAX_CONNECTIONS_PER_SHARD: '16' }, async ({ connect, log }) => {
      const lastEventId = log.position(0)
      const open = async (wanted: Partial<ConnectRequest>) =>
        (await connect({ ...NOBODY, ...wanted, transport: 'longpolling' })).status
      const here = { lastEventId, atPosition: true }
      expect([await open(here), await open(here), await open(here)]).toEqual([204, 204, 503])
      expect([await open({ lastEventId }), await open({}), await open({})]).toEqual([204, 204, 429])
    })
  })

  it('is not opened at a position of another log, nor is a stream: the Worker chooses another shard', async () => {
    await inComposedShard({}, async ({ connect, log }) => {
      const kindOf = async (wanted: Partial<ConnectRequest>) => {
        const response = await connect({ ...NOBODY, atPosition: true, ...wanted })
        await response.body?.cancel()
        return readError(response)?.kind
      }
      const madeUp = { lastEventId: '1.zz-0' }
      expect(await kindOf({ ...madeUp, transport: 'longpolling' })).toBe('wrong_shard')
      expect(await kindOf(madeUp)).toBe('wrong_shard')
      expect(await kindOf({ ...madeUp, atPosition: false })).toBe(undefined)
      expect(await kindOf({ lastEventId: log.position(0) })).toBe(undefined)
    })
  })

  it('is at most every fourth of the new connections of a minute', async () => {
    await inComposedShard({ MAX_CONNECTIONS_PER_MINUTE: '8' }, async ({ clock, connect }) => {
      const open = async (principal: ConnectRequest['principal']) =>
        (await connect({ principal, transport: 'longpolling' })).status
      expect([await open(ANONYMOUS), await open(ANONYMOUS), await open(ANONYMOUS)]).toEqual([204, 204, 429])
      expect(await open(asUser('alice'))).toBe(204)
      clock.nowMs += 60_000
      expect(await open(ANONYMOUS)).toBe(204)
    })
  })

  it('passes no limit, however many are opened at the same time', async () => {
    await inComposedShard({ MAX_CONNECTIONS_PER_SHARD: '8', MAX_CONNECTIONS_PER_USER: '3' }, async ({ connect }) => {
      const openAll = async (principal: ConnectRequest['principal']) => {
        const opening = Array.from({ length: 12 }, (_, n) =>
          connect({ principal, transport: 'longpolling', subscriptions: [{ eventType: `new.${n}`, oneOf: [] }] }),
        )
        return (await Promise.all(opening)).filter(({ status }) => status === 204).length
      }
      expect(await openAll(ANONYMOUS)).toBe(2)
      expect(await openAll(asUser('alice'))).toBe(3)
    })
  })

  it('lives half a minute if it is not polled, and longer once it is', async () => {
    await inComposedShard({}, async ({ clock, connect, connections, maintenance, transports }) => {
      await connect({ ...NOBODY, transport: 'longpolling' })
      await connect({ ...NOBODY, transport: 'longpolling' })
      const [, polled] = [...connections.all()]
      await transports.longpolling.poll(polled?.state.id ?? '', null)
      clock.nowMs += 30_000
      await maintenance.sweep()
      expect([...connections.all()]).toEqual([polled])
    })
  })
})

describe('what a client says of its connection', () => {
  it('has a limit for the shard: metadata counts with subscriptions', async () => {
    await inComposedShard({ MAX_SUBSCRIPTION_BYTES_PER_SHARD: '65536' }, async (shard) => {
      const set = async (length: number) => {
        const { client, id } = await openStream(shard, NOBODY)
        const stored = shard.admin.setMetadata(id, { text: 'x'.repeat(length) }, ANONYMOUS)
        return { client, stored: stored.ok ? 'stored' : stored.reason.kind }
      }
      const connections = [await set(40_000), await set(20_000), await set(10_000)]
      expect(connections.map(({ stored }) => stored)).toEqual(['stored', 'stored', 'unavailable'])
      await connections[0]?.client.close()
      shard.connections.find({}).forEach((one) => one.probe())
      const [, second] = [...shard.connections.all()]
      expect(shard.admin.setMetadata(second?.state.id ?? '', { text: 'x'.repeat(10_000) }, ANONYMOUS).ok).toBe(true)
      for (const { client } of connections.slice(1)) await client.close()
    })
  })

  it('may be changed as often as subscriptions, by metadata too', async () => {
    await inComposedShard({ MAX_SUBSCRIPTION_CHANGES_PER_MINUTE: '3' }, async (shard) => {
      const { client, id } = await openStream(shard, NOBODY)
      const set = (device: number) => shard.admin.setMetadata(id, { device }, ANONYMOUS)
      expect([set(1).ok, set(2).ok, set(3).ok]).toEqual([true, true, true])
      expect(set(4)).toEqual({ ok: false, reason: { kind: 'rate_limited' } })
      expect(shard.connections.get(id)?.state.owner.metadata).toEqual({ device: 3 })
      await client.close()
    })
  })

  it('keeps a thousand sessions of tokens, and not one more', async () => {
    await inComposedShard({ MAX_SUBSCRIPTION_CHANGES_PER_MINUTE: '10000' }, async (shard) => {
      const { client, id } = await openStream(shard, NOBODY)
      const bring = async (n: number) => {
        const principal = { user: null, session: `s${n}`, expSeconds: null }
        const replaced = await shard.subscriptions.replace(id, { subscriptions: [], inferred: [], principal })
        return replaced.ok ? 'taken' : replaced.reason.kind
      }
      for (let n = 0; n < 1_000; n += 1) expect(await bring(n)).toBe('taken')
      expect([await bring(1_000), await bring(999)]).toEqual(['too_many_connections', 'taken'])
      await client.close()
    })
  })
})

it.each([
  ['subscriptions', '{"type":"subscribe","subscriptions":[]}'],
  ['bad tokens', '{"type":"token","token":"x"}'],
])('a rigel.v1 client that floods with %s, and does not wait for refusals, loses its socket', async (_, frame) => {
  const client = await WsClient.open(newShard(), { ...NOBODY, protocol: 'rigel.v1' })
  for (let n = 0; n < 200; n += 1) client.socket.send(frame)
  expect((await client.until(({ closed }) => closed !== undefined)).closed?.code).toBe(4002)
  const answers = client.received.filter((text) => /^{"type":"(subscribed|error)"/.test(text))
  expect(answers.length).toBeLessThanOrEqual(130)
})

it('a user who floods gets no new budget by coming back', async () => {
  const shard = newShard()
  const open = () => WsClient.open(shard, { principal: asUser('mallory'), protocol: 'rigel.v1' })
  const first = await open()
  for (let n = 0; n < 200; n += 1) first.socket.send('{"type":"subscribe","subscriptions":[]}')
  await first.until(({ closed }) => closed !== undefined)
  const second = await open()
  for (let n = 0; n < 5; n += 1) second.socket.send(`{"type":"subscribe","ref":"${n}","subscriptions":[]}`)
  const isAnswer = (text: string) => /^{"type":"(subscribed|error)"/.test(text)
  await second.until(({ received }) => received.filter(isAnswer).length === 5)
  const errors = second.received.filter((text) => text.startsWith('{"type":"error"'))
  expect(errors.length).toBeGreaterThan(1)
  second.socket.close()
})

it('messages of a Phoenix client that wait for each other have a size: beyond it the connection ends', async () => {
  const shard = newShard()
  const phoenix = { vsn: 2, roles: [], meta: {} } as const
  const opened = await shard.openPhoenixSession({ ...connectRequest({ ...NOBODY, transport: 'phoenix' }), phoenix })
  const id = opened.ok ? (opened.value.connectionToken.split('.')[1] ?? '') : ''
  const frame = (topic: string) => JSON.stringify(['1', '1', topic, 'phx_join', { unknown: 'x'.repeat(900_000) }])
  const pushes = Array.from({ length: 6 }, async (_, n) => shard.pushPhoenix(id, [frame(`events:never.seen.${n}`)]))
  await Promise.all(pushes)
  expect(await shard.pollPhoenix(id, 0)).toEqual({ kind: 'gone' })
})

describe('what a long-polling client does', () => {
  it('takes no space of the log: the events of others stay', async () => {
    await inComposedShard(
      { LOG_RETENTION_BYTES: '65536', MAX_SUBSCRIPTION_CHANGES_PER_MINUTE: '10000' },
      async (shard) => {
        await shard.connect({ ...NOBODY, transport: 'longpolling' })
        const [session] = [...shard.connections.all()]
        const id = session?.state.id ?? ''
        const start = shard.log.position(shard.log.committedSeq)
        await shard.log.append([batch([event(0)])])
        const subscriptions = Array.from({ length: 90 }, (_, n) => ({
          eventType: `a.long.type.to.fill.the.log.${n}`,
          oneOf: [],
        }))
        for (let round = 0; round < 100; round += 1) {
          const change = { subscriptions, inferred: [], principal: ANONYMOUS }
          expect((await shard.subscriptions.replace(id, change)).ok).toBe(true)
        }
        const resumed = new SseClient(await shard.connect({ ...NOBODY, subscriptions: [greeting], lastEventId: start }))
        expect((await shard.transports.longpolling.poll(id, null)).ok).toBe(true)
        expect(shard.log.floorSeq).toBe(0)
        await resumed.close()
      },
    )
  })
})

describe('a token that is brought by PUT', () => {
  const token = (user: string, endsAtMs: number) => ({ user, session: null, expSeconds: endsAtMs / 1_000 })

  it('takes with it what it brought when it ends', async () => {
    await inComposedShard({}, async (shard) => {
      const { client, id } = await openStream(shard, NOBODY)
      const principal = token('alice', shard.clock.nowMs + 60_000)
      const change = { subscriptions: [greeting, booking], inferred: [booking], principal }
      expect((await shard.subscriptions.replace(id, change)).ok).toBe(true)
      shard.clock.nowMs += 59_999
      await shard.maintenance.sweep()
      expect(shard.connections.get(id)?.state.subscriptions).toEqual([greeting, booking])
      shard.clock.nowMs += 1
      await shard.maintenance.sweep()
      expect(shard.connections.get(id)?.state.subscriptions).toEqual([greeting])
      const sets = await client.until(3, 'rig.subscriptions_set')
      expect(sets[2]?.data['data']).toEqual([greeting])
      await client.close()
    })
  })

  it('takes all of it if subscriptions need a token', async () => {
    await inComposedShard({ SUBSCRIPTION_CHECK: 'jwt_validation' }, async (shard) => {
      const { client, id } = await openStream(shard, NOBODY)
      const principal = token('alice', shard.clock.nowMs + 60_000)
      await shard.subscriptions.replace(id, { subscriptions: [greeting], inferred: [], principal })
      shard.clock.nowMs += 60_000
      await shard.maintenance.sweep()
      expect(shard.connections.get(id)?.state.subscriptions).toEqual([])
      await client.close()
    })
  })

  it('is of the connection’s user, or claims a connection that is nobody’s, once', async () => {
    await inComposedShard({}, async (shard) => {
      const later = shard.clock.nowMs + 60_000
      const bring = async (id: string, user: string) => {
        const change = { subscriptions: [], inferred: [], principal: token(user, later) }
        const replaced = await shard.subscriptions.replace(id, change)
        return replaced.ok ? 'taken' : replaced.reason.kind
      }
      const owned = await openStream(shard, { principal: asUser('alice') })
      const free = await openStream(shard, NOBODY)
      expect([owned.data['user'], free.data['user']]).toEqual(['alice', null])
      expect([await bring(owned.id, 'bob'), await bring(owned.id, 'alice')]).toEqual(['foreign_connection', 'taken'])
      expect([await bring(free.id, 'bob'), await bring(free.id, 'alice'), await bring(free.id, 'bob')]).toEqual([
        'taken',
        'foreign_connection',
        'taken',
      ])
      await Promise.all([owned.client.close(), free.client.close()])
    })
  })
})

describe('bytes that wait for readers of a shard', () => {
  it('have a sum: beyond it the connection with the most is cut, and the others go on', async () => {
    await inComposedShard({ MAX_WAITING_BYTES_PER_SHARD: '65536' }, async ({ connect, connections, log }) => {
      const large = { eventType: 'large', oneOf: [] }
      const slow = new SseClient(await connect({ ...NOBODY, subscriptions: [large] }))
      const fast = new SseClient(await connect({ ...NOBODY, subscriptions: [greeting] }))
      const json = JSON.stringify({
        specversion: '1.0',
        id: '0',
        source: '/t',
        type: 'large',
        data: 'x'.repeat(200_000),
      })
      await log.append([batch([event(0, { type: 'large', utf8: new TextEncoder().encode(json) })])])
      while (connections.size === 2) await new Promise((resolve) => setTimeout(resolve, 20))
      await expect(slow.rest()).rejects.toThrow('Reader too slow')
      await log.append([batch([event(1)])])
      expect((await fast.until(1, 'greeting'))[0]?.data['id']).toBe('1')
      await fast.close()
    })
  })
})

describe('a page that is reloaded', () => {
  it('is not refused because of the connection that it has just left', async () => {
    await inComposedShard({ MAX_CONNECTIONS_PER_USER: '1' }, async ({ connect, connections }) => {
      const principal = asUser('alice')
      const first = await connect({ principal })
      const [lost] = [...connections.all()]
      // Its client is gone, which only a write shows.
      if (lost !== undefined) lost.probe = () => void first.body?.cancel()
      const second = await connect({ principal })
      expect([second.status, connections.size]).toEqual([200, 1])
      await second.body?.cancel()
    })
  })

  it('is refused if all of its user’s connections are alive', async () => {
    await inComposedShard({ MAX_CONNECTIONS_PER_USER: '1' }, async ({ connect }) => {
      const first = await connect({ principal: asUser('alice') })
      expect((await connect({ principal: asUser('alice') })).status).toBe(429)
      await first.body?.cancel()
    })
  })
})

it('a client that closes its WebSocket is answered with its own code', async () => {
  const client = await WsClient.open(newShard())
  client.socket.close(4321, 'done')
  expect((await client.until(({ closed }) => closed !== undefined)).closed?.code).toBe(4321)
})
