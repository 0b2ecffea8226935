import { env } from 'cloudflare:workers'
import { runInDurableObject } from 'cloudflare:test'
import { describe, expect, it } from 'vitest'
import { fetchRigel, publish } from '../../support/gateway-client.ts'
import { tokenOf } from '../../support/make-tokens.ts'

const PATH = '/_rig/v1/connection/phoenix/longpoll'

interface Answer {
  readonly status: number
  readonly token?: string
  readonly messages?: readonly string[]
}

const query = (jwt: string | null, session: string | null) =>
  `${PATH}?vsn=2.0.0${jwt === null ? '' : `&token=${jwt}`}&token=${session ?? 'null'}`

async function get(jwt: string | null, session: string | null, headers: HeadersInit = {}): Promise<Answer> {
  const response = await fetchRigel(query(jwt, session), { headers })
  expect(response.status).toBe(200)
  return response.json()
}

async function post(session: string | null, ...messages: readonly unknown[]): Promise<Answer> {
  const body = messages.map((message) => (typeof message === 'string' ? message : JSON.stringify(message))).join('\n')
  const headers = { 'content-type': 'application/x-ndjson' }
  return (await fetchRigel(query(null, session), { method: 'POST', headers, body })).json()
}

const eventsOf = ({ messages = [] }: Answer) => messages.map((text) => (JSON.parse(text) as unknown[])[3])
const HEARTBEAT = [null, '9', 'phoenix', 'heartbeat', {}]

describe('Phoenix by long-polling', () => {
  it('opens a session by 410, takes messages, and delivers replies and events', async () => {
    const user = `lp-${crypto.randomUUID()}`
    const jwt = await tokenOf(user)
    const opened = await get(jwt, null)
    expect(opened).toMatchObject({ status: 410, token: expect.any(String) as string })
    const session = opened.token ?? ''
    expect(await post(session, HEARTBEAT, ['1', '1', `user:${user}`, 'phx_join', {}])).toEqual({ status: 200 })
    const first = await get(jwt, session)
    expect(first.status).toBe(200)
    expect(eventsOf(first).slice(0, 2)).toEqual(['phx_reply', 'phx_reply'])
    await publish({ id: 'l1', type: 'note', data: { recipients: [user] } })
    let answer = await get(jwt, first.token ?? '')
    while (!eventsOf(answer).includes('message')) answer = await get(jwt, answer.token ?? '')
    expect(answer.messages?.at(-1)).toContain('"l1"')
  })

  it('repeats an answer that was lost', async () => {
    const { token = '' } = await get(null, null)
    await post(token, HEARTBEAT)
    const lost = await get(null, token)
    expect(await get(null, token)).toEqual(lost)
    await post(token, HEARTBEAT)
    expect((await get(null, lost.token ?? '')).messages).toHaveLength(1)
  })

  it('takes the token from a header, and refuses a bad one', async () => {
    expect(await get(null, null, { 'x-phoenix-authtoken': await tokenOf('alice') })).toMatchObject({ status: 410 })
    expect(await get(null, null, { 'x-phoenix-authtoken': 'garbage' })).toEqual({ status: 403 })
    expect(await get('a.b.c', null)).toEqual({ status: 403 })
  })

  it('answers 410 without a token for a session that is gone or never existed', async () => {
    const { token = '' } = await get(null, null)
    const [shard = ''] = token.split('.')
    await runInDurableObject(env.USER_SHARD.getByName(`shard-${shard}`), (_shard, state) => state.abort('crash')).catch(
      () => undefined,
    )
    expect(await get(null, token)).toEqual({ status: 410 })
    expect(await post(token, HEARTBEAT)).toEqual({ status: 410 })
    expect(await post(null, HEARTBEAT)).toEqual({ status: 410 })
  })

  it('ends a session that sends something else than messages', async () => {
    const { token = '' } = await get(null, null)
    expect(await post(token, 'garbage')).toEqual({ status: 410 })
    expect(await get(null, token)).toEqual({ status: 410 })
  })

  it('takes no text that is not UTF-8', async () => {
    const { token = '' } = await get(null, null)
    const [before, after] = JSON.stringify([null, '1', 'events:utf8', 'phx_join', { oneOf: ['|'] }]).split('|')
    const body = new Blob([before ?? '', Uint8Array.of(0xff), after ?? ''])
    const response = await fetchRigel(query(null, token), { method: 'POST', body })
    expect(await response.json()).toEqual({ status: 500 })
    expect((await post(token, HEARTBEAT)).status).toBe(200)
  })

  it('takes bytes in base64', async () => {
    const { token = '' } = await get(null, null)
    const head = ['', '1', 'events:none', 'event'].map((text) => new TextEncoder().encode(text))
    const bytes = [0, ...head.map((part) => part.length), ...head.flatMap((part) => [...part]), 1, 2, 3]
    await post(token, btoa(String.fromCharCode(...bytes)))
    expect((await get(null, token)).messages?.[0]).toContain('unmatched topic')
  })

  it('uses the serializer of the client, whatever version it names', async () => {
    const { token = '' } = await get(null, null)
    await post(token, { topic: 'phoenix', event: 'heartbeat', payload: {}, ref: '1' })
    const first = await get(null, token)
    expect(JSON.parse(first.messages?.[0] ?? '')).toMatchObject({ event: 'phx_reply', ref: '1' })
    await post(token, HEARTBEAT)
    expect((await get(null, first.token ?? '')).messages?.[0]).toMatch(/^\[null,"9","phoenix"/)
  })

  it('answers preflights as Phoenix does', async () => {
    const response = await fetchRigel(PATH, { method: 'OPTIONS', headers: { origin: 'https://app.test' } })
    expect(response.headers.get('access-control-allow-methods')).toBe('get, post, options')
    expect(response.headers.get('access-control-allow-headers')).toContain('x-phoenix-authtoken')
  })
})
