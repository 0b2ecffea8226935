// The paths of RIG 1.x, where PHOENIX_LEGACY_PATHS says so: Phoenix sockets, and the session API.
import { createExecutionContext } from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import { expect, it } from 'vitest'
import { handle } from '../../../src/http/app.ts'
import { PhoenixClient } from '../../support/phoenix-client.ts'
import { tokenOf } from '../../support/make-tokens.ts'

const legacy = { ...env, PHOENIX_LEGACY_PATHS: 'true' } as Env

const call = (path: string, init: RequestInit = {}, of: Env = legacy) =>
  Promise.resolve(handle(new Request(`https://rigel.test${path}`, init), of, createExecutionContext()))

const operator = (...actions: readonly string[]) => tokenOf('operator', { scopes: { rg: { actions } } })
const withToken = (token: string): RequestInit => ({ headers: { authorization: token } })

async function connect(user: string, jti: string): Promise<PhoenixClient> {
  const path = `/socket/websocket?vsn=2.0.0&token=${await tokenOf(user, { jti })}`
  const { webSocket } = await call(path, { headers: { upgrade: 'websocket' } })
  if (webSocket === null) throw new Error('no WebSocket')
  return new PhoenixClient(webSocket)
}

it('a Phoenix socket opens at the path of RIG 1.x, and its session is listed and ended', async () => {
  const [user, jti] = [crypto.randomUUID(), crypto.randomUUID()]
  const client = await connect(user, jti)
  expect(await client.ask(`user:${user}`, 'phx_join')).toMatchObject({ status: 'ok' })
  const users: string[] = await (await call('/rg/sessions', withToken(await operator('getSessions')))).json()
  expect(users).toContain(user)
  const listed = await call(`/rg/sessions/${user}`, withToken(`Bearer ${await operator('getSessionConnections')}`))
  expect(await listed.json()).toMatchObject([{ username: user, jti, transport: 'phoenix' }])
  const ended = await call(`/rg/connections/${jti}`, {
    method: 'DELETE',
    ...withToken(await operator('deleteConnection')),
  })
  expect(ended.status).toBe(204)
  expect((await client.untilClosed()).code).toBe(4501)
})

it('the session API is for tokens whose scopes name the action, and nothing happens for others', async () => {
  const jti = crypto.randomUUID()
  const client = await connect(crypto.randomUUID(), jti)
  const refused = await call(`/rg/connections/${jti}`, {
    method: 'DELETE',
    ...withToken(await operator('getSessions')),
  })
  expect([refused.status, await refused.json()]).toEqual([403, { msg: 'Unauthorized' }])
  expect((await call('/rg/sessions')).status).toBe(403)
  expect((await call('/rg/sessions', withToken('garbage'))).status).toBe(403)
  expect(await client.ask('phoenix', 'heartbeat', {}, null)).toMatchObject({ status: 'ok' })
})

it('without the variable these paths are nobody’s', async () => {
  for (const path of ['/rg/sessions', '/rg/sessions/alice', '/socket/longpoll']) {
    expect((await call(path, {}, env)).status).toBe(404)
  }
})
