// SUBSCRIPTION_CHECK by URL, for subscriptions that come on open connections of a shard: rigel.v1, and Phoenix by WebSocket and
// by long-polling.
import { afterEach, describe, expect, it, vi } from 'vitest'
import { openConnection } from '../../../../src/objects/shard/connections/open-connection.ts'
import { createShard } from '../../../../src/objects/shard/create-shard.ts'
import { readAttachment } from '../../../../src/objects/shard/transports/socket.ts'
import { inComposedShard, type ComposedShard } from '../../../support/composed-shard.ts'
import { tokenOf } from '../../../support/make-tokens.ts'
import { asUser, batch, connectRequest, event, WsClient } from '../../../support/shard-clients.ts'

const SERVICE = { SUBSCRIPTION_CHECK: 'https://check.test/Sub' }

/** Stubs a check service that allows each token the types that begin with `ok`. */
function stubService() {
  const asked: { authorization: string | null; body: string }[] = []
  const service = { asked, answer: Promise.resolve() }
  vi.stubGlobal('fetch', async (_url: string, init: RequestInit) => {
    const authorization = new Headers(init.headers).get('authorization')
    const body = typeof init.body === 'string' ? init.body : ''
    asked.push({ authorization, body })
    await service.answer
    const { subscriptions } = JSON.parse(body) as { subscriptions: { eventType: string }[] }
    const isAllowed = authorization !== null && subscriptions.every(({ eventType }) => eventType.startsWith('ok'))
    return new Response(null, { status: isAllowed ? 204 : 403 })
  })
  return service
}

afterEach(() => vi.unstubAllGlobals())

/** Everything that the shard has in SQL, as one text. */
function sqlOf({ context }: ComposedShard): string {
  const { sql } = context.storage
  const tables = sql.exec<{ name: string }>(`SELECT name FROM sqlite_master WHERE type = 'table'`).toArray()
  const own = tables.filter(({ name }) => !name.startsWith('_cf'))
  return JSON.stringify(own.map(({ name }) => sql.exec(`SELECT * FROM "${name}"`).toArray()))
}

const onlySocket = ({ context }: Pick<ComposedShard, 'context'>) => {
  const [socket] = context.sockets.getWebSockets()
  if (socket === undefined) throw new Error('no socket')
  return socket
}

describe('rigel.v1 with a check service', () => {
  const open = async (shard: ComposedShard, authorization: string | null | undefined) =>
    new WsClient(
      await shard.connect({ transport: 'ws', protocol: 'rigel.v1', principal: asUser('alice'), authorization }),
    )
  const subscribe = (shard: Pick<ComposedShard, 'context' | 'transports'>, types: readonly string[], ref = 's') => {
    const subscriptions = types.map((eventType) => ({ eventType }))
    return shard.transports.ws.onMessage(onlySocket(shard), JSON.stringify({ type: 'subscribe', subscriptions, ref }))
  }
  const answers = (client: WsClient) =>
    client.received
      .map((text) => JSON.parse(text) as Record<string, unknown>)
      .filter(({ type }) => type === 'subscribed' || type === 'error' || type === 'renewed')
  const untilAnswers = async (client: WsClient, count: number) => {
    await client.until(() => answers(client).length >= count)
    return answers(client).map(({ ref, status, type }) => ({ ref, status, type }))
  }

  it('asks the service with the token of the connection, and obeys it', async () => {
    const { asked } = stubService()
    await inComposedShard(SERVICE, async (shard) => {
      const client = await open(shard, 'Bearer secret-of-alice')
      await subscribe(shard, ['ok.a'], '1')
      await subscribe(shard, ['no.a'], '2')
      expect(await untilAnswers(client, 2)).toEqual([
        { ref: '1', type: 'subscribed' },
        { ref: '2', type: 'error', status: 403 },
      ])
      expect(asked).toEqual([
        { authorization: 'Bearer secret-of-alice', body: '{"subscriptions":[{"eventType":"ok.a","oneOf":[]}]}' },
        { authorization: 'Bearer secret-of-alice', body: '{"subscriptions":[{"eventType":"no.a","oneOf":[]}]}' },
      ])
      await shard.log.append([batch([event(0, { type: 'ok.a' }), event(1, { type: 'no.a' })])])
      await client.untilType('ok.a', 1)
      expect(client.ofType('no.a')).toEqual([])
    })
  })

  it('still can ask after hibernation, with a large set too, and the token is in the attachment only', async () => {
    const { asked } = stubService()
    await inComposedShard(SERVICE, async (shard) => {
      const client = await open(shard, 'Bearer secret-of-alice')
      const many = Array.from({ length: 90 }, (_, n) => `ok.${'long-'.repeat(20)}${n}`)
      for (const [n, types] of [['ok.a'], many, ['ok.b']].entries()) {
        await subscribe(shard, types)
        await untilAnswers(client, n + 1)
        expect(sqlOf(shard)).not.toContain('secret-of-alice')
        expect(sqlOf(shard).includes(`${'long-'.repeat(20)}89`)).toBe(n > 0)
        expect(JSON.stringify(onlySocket(shard).deserializeAttachment())).toContain('secret-of-alice')
        const woken = createShard(shard.context)
        await subscribe(woken, types)
        await untilAnswers(client, n + 1)
        expect(asked.at(-1)?.authorization).toBe('Bearer secret-of-alice')
      }
    })
  })

  it('asks with the new token once it has come, also if both frames come at once', async () => {
    const service = stubService()
    const token = await tokenOf('alice')
    await inComposedShard(SERVICE, async (shard) => {
      const client = await open(shard, 'Bearer old')
      const renewed = shard.transports.ws.onMessage(
        onlySocket(shard),
        JSON.stringify({ type: 'token', token, ref: 't' }),
      )
      await Promise.all([renewed, subscribe(shard, ['ok.a'])])
      expect(await untilAnswers(client, 2)).toEqual([
        { ref: 't', type: 'renewed' },
        { ref: 's', type: 'subscribed' },
      ])
      expect(service.asked.map(({ authorization }) => authorization)).toEqual([`Bearer ${token}`])
      expect(sqlOf(shard)).not.toContain(token)
    })
  })

  it('leaves the last set in force, however long the service takes for each', async () => {
    const service = stubService()
    await inComposedShard(SERVICE, async (shard) => {
      const client = await open(shard, 'Bearer secret')
      const slow = Promise.withResolvers<void>()
      service.answer = slow.promise
      const first = subscribe(shard, ['ok.first'], '1')
      service.answer = Promise.resolve()
      const second = subscribe(shard, ['ok.second'], '2')
      slow.resolve()
      await Promise.all([first, second])
      expect((await untilAnswers(client, 2)).map(({ ref }) => ref)).toEqual(['1', '2'])
      const [connection] = shard.connections.all()
      expect(connection?.state.subscriptions.map(({ eventType }) => eventType)).toEqual(['ok.second'])
    })
  })

  it('says where to subscribe if the token could not be kept, and asks without a token for a client without one', async () => {
    const { asked } = stubService()
    await inComposedShard(SERVICE, async (shard) => {
      const client = await open(shard, undefined)
      await subscribe(shard, ['ok.a'])
      expect((await untilAnswers(client, 1))[0]).toMatchObject({ type: 'error', status: 400 })
      expect(answers(client)[0]?.['message']).toMatch(/as you connect, or by PUT/)
      expect(asked).toEqual([])
    })
    await inComposedShard(SERVICE, async (shard) => {
      const client = await open(shard, null)
      await subscribe(shard, ['ok.a'])
      expect((await untilAnswers(client, 1))[0]).toMatchObject({ type: 'error', status: 403 })
      expect(asked.map(({ authorization }) => authorization)).toEqual([null])
    })
  })

  it('keeps a token and a record of the largest sizes, in every script', async () => {
    stubService()
    await inComposedShard({ ...SERVICE, MAX_SUBSCRIPTION_CHANGES_PER_MINUTE: '1000' }, async (shard) => {
      const authorization = `Bearer ${'x'.repeat(8_192)}`
      const client = await open(shard, authorization)
      for (let count = 4; count <= 60; count += 4) {
        await subscribe(
          shard,
          Array.from({ length: count }, (_, n) => `ok.${'ж'.repeat(100)}${n}`),
        )
        await untilAnswers(client, count / 4)
        expect(answers(client).at(-1)).toMatchObject({ type: 'subscribed' })
        expect(onlySocket(shard).deserializeAttachment()).toMatchObject({ authorization })
      }
    })
  })
})

describe('Phoenix with a check service', () => {
  const phoenix = { vsn: 2, roles: [], meta: {} } as const
  const wanted = { transport: 'phoenix', principal: asUser('alice'), phoenix } as const
  const joinFrame = (topic: string, ref: string) => JSON.stringify([ref, ref, topic, 'phx_join', {}])
  const repliesIn = (texts: readonly string[]) =>
    texts
      .map((text) => JSON.parse(text) as [string, string, string, string, { status?: string }])
      .filter(([, , , name]) => name === 'phx_reply')
      .map(([, ref, , , { status }]) => [ref, status])

  it('asks for each channel of a type, and not for a user, also after hibernation', async () => {
    const { asked } = stubService()
    await inComposedShard(SERVICE, async (shard) => {
      const client = new WsClient(await shard.connect({ ...wanted, authorization: 'Bearer secret-of-alice' }))
      const socket = onlySocket(shard)
      await shard.transports.phoenix.onMessage(socket, joinFrame('user:alice', '1'))
      await shard.transports.phoenix.onMessage(socket, joinFrame('events:ok.a', '2'))
      await shard.transports.phoenix.onMessage(socket, joinFrame('events:no.a', '3'))
      const woken = createShard(shard.context)
      await woken.transports.phoenix.onMessage(socket, joinFrame('events:ok.b', '4'))
      const replies = () => repliesIn(client.received)
      await client.until(() => replies().length === 4)
      expect(replies()).toEqual([
        ['1', 'ok'],
        ['2', 'ok'],
        ['3', 'error'],
        ['4', 'ok'],
      ])
      expect(asked.map(({ authorization }) => authorization)).toEqual(Array(3).fill('Bearer secret-of-alice'))
      expect(asked[0]?.body).toBe('{"subscriptions":[{"eventType":"ok.a","oneOf":[]}]}')
      expect(sqlOf(shard)).not.toContain('secret-of-alice')
      // A channel that was joined before goes on, and its service is not asked again.
      await woken.log.append([batch([event(0, { type: 'ok.a' })])])
      await client.until(({ received }) => received.some((text) => text.includes('"events:ok.a","message"')))
      expect(readAttachment(socket)?.transport).toBe('phoenix')
    })
  })

  it('asks for sessions by long-polling, too', async () => {
    const { asked } = stubService()
    await inComposedShard(SERVICE, async (shard) => {
      const connect = connectRequest({ ...wanted, authorization: 'Bearer secret-of-alice' })
      const opened = await openConnection(shard, connect, 'session', (opening) =>
        shard.transports.phoenix.openSession(opening),
      )
      if (!opened.ok) throw new Error(opened.reason.kind)
      const { connectionId } = opened.value
      await shard.transports.phoenix.push(connectionId, [joinFrame('events:ok.a', '1'), joinFrame('events:no', '2')])
      const polled = await shard.transports.phoenix.poll(connectionId, 0)
      expect(polled.kind === 'messages' && repliesIn(polled.frames)).toEqual([
        ['1', 'ok'],
        ['2', 'error'],
      ])
      expect(asked.map(({ authorization }) => authorization)).toEqual(Array(2).fill('Bearer secret-of-alice'))
    })
  })
})
