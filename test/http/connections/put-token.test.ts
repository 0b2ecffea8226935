import { runDurableObjectAlarm } from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import { describe, expect, it } from 'vitest'
import { shardOf } from '../../../src/core/delivery/shard-hash.ts'
import { fetchRigel, publish } from '../../support/gateway-client.ts'
import { SseClient, WsClient } from '../../support/shard-clients.ts'
import { tokenOf } from '../../support/make-tokens.ts'

const SHARDS = 3
const nowSeconds = () => Math.floor(Date.now() / 1_000)
const name = () => `r-${crypto.randomUUID()}`

/** Valid for half a minute: less than the warning before its end. */
const shortToken = (user: string, claims: object = {}) => tokenOf(user, { exp: nowSeconds() + 30, ...claims })
const alarmOf = (user: string) => runDurableObjectAlarm(env.USER_SHARD.getByName(`shard-${shardOf(user, SHARDS)}`))

const put = (path: string, token: string | null) =>
  fetchRigel(path, { method: 'PUT', headers: token === null ? {} : { authorization: `Bearer ${token}` } })

interface Expires {
  readonly expires_at: string
  readonly renew: { readonly method: string; readonly path: string }
}

async function warned(user: string, claims: object = {}): Promise<{ client: SseClient; data: Expires }> {
  const client = new SseClient(await fetchRigel(`/_rig/v1/connection/sse?jwt=${await shortToken(user, claims)}`))
  await client.until(2)
  await alarmOf(user)
  const [warning] = await client.until(1, 'rig.token_expires')
  return { client, data: warning?.data['data'] as Expires }
}

describe('a token that is about to expire', () => {
  it('is announced once, with where to bring a new one, which is then in force', async () => {
    const user = name()
    const { client, data } = await warned(user)
    const exp = nowSeconds() + 3_600
    const renewed = await put(data.renew.path, await tokenOf(user, { exp }))
    expect(renewed.status).toBe(200)
    expect(await renewed.json()).toEqual({ expires_at: new Date(exp * 1_000).toISOString() })
    await alarmOf(user)
    await publish({ id: 'after', type: 'note', data: { recipients: [user] } })
    expect((await client.until(1, 'note'))[0]?.data['id']).toBe('after')
    expect(client.frames.filter(({ event }) => event === 'rig.token_expires')).toHaveLength(1)
    await client.close()
  })

  it('is renewed by a frame on rigel.v1, and its implied subscriptions change with it', async () => {
    const user = name()
    const token = await shortToken(user, { username: 'old' })
    const client = new WsClient(
      await fetchRigel(`/_rig/v1/connection/ws?jwt=${token}`, {
        headers: { upgrade: 'websocket', 'sec-websocket-protocol': 'rigel.v1' },
      }),
    )
    const renewedToken = await tokenOf(user, { username: 'new' })
    client.socket.send(JSON.stringify({ type: 'token', ref: 'a', token: renewedToken }))
    await client.until(({ received }) => received.some((text) => text.includes('"renewed"')))
    await publish({ id: 'n1', type: 'greeting', data: { name: 'old' } })
    await publish({ id: 'n2', type: 'greeting', data: { name: 'new' } })
    expect((await client.untilType('greeting', 1)).map(({ event }) => event['id'])).toEqual(['n2'])
    client.socket.send(JSON.stringify({ type: 'token', ref: 'b', token: 'garbage' }))
    await client.until(({ received }) => received.some((text) => text.includes('"ref":"b"')))
    expect(client.received.at(-1)).toContain('could not decode JWT')
  })

  it('is not renewed by another user, without a token, or for a connection that is gone', async () => {
    const user = name()
    const { client, data } = await warned(user)
    const { path } = data.renew
    expect((await put(path, await tokenOf('somebody else'))).status).toBe(403)
    expect((await put(path, null)).status).toBe(401)
    expect((await put(path, 'garbage')).status).toBe(400)
    expect((await put('/_rig/v1/connection/sse/garbage/token', await tokenOf(user))).status).toBe(400)
    await client.close()
    const gone = `/_rig/v1/connection/sse/0.${'a'.repeat(32)}/token`
    expect((await put(gone, await tokenOf(user))).status).toBe(410)
  })
})
