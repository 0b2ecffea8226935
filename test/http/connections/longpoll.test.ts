// Long-polling through the Worker: RIG's cookies and bodies, the dialect without cookies, and who may read answers.
import { env, exports } from 'cloudflare:workers'
import { createExecutionContext } from 'cloudflare:test'
import { describe, expect, it } from 'vitest'
import { handle } from '../../../src/http/app.ts'
import { publish } from '../../support/gateway-client.ts'
import { sign, tokenOf } from '../../support/make-tokens.ts'

const PATH = '/_rig/v1/connection/longpolling'

interface Answer {
  readonly connection_token?: string
  readonly last_event_id: string
  readonly events: readonly { readonly type: string; readonly data: unknown }[]
  readonly recovered?: boolean
}

function get(query = '', headers: Readonly<Record<string, string>> = {}, origin = 'http://rigel.example') {
  return exports.default.fetch(new Request(`${origin}${PATH}${query}`, { headers }))
}

function cookiesOf(response: Response): string {
  return response.headers
    .getSetCookie()
    .map((cookie) => cookie.split(';')[0])
    .join('; ')
}

async function poll(cookie: string) {
  const response = await get('', { cookie })
  return { cookie: cookiesOf(response), answer: await response.json<Answer>() }
}

it('answers polls of one session at a pace, however many come at once', async () => {
  const opened = await (await get('?connection_token=')).json<Answer>()
  const query = `?connection_token=${opened.connection_token}`
  const polls = await Promise.all(Array.from({ length: 500 }, () => get(query)))
  const statuses = polls.map(({ status }) => status)
  // Two hundred at once, a hundred a second, and waits of a second at most.
  expect(statuses.filter((status) => status === 200).length).toBeGreaterThanOrEqual(300)
  expect(new Set(statuses)).toEqual(new Set([200, 429]))
})

describe('with cookies', () => {
  it('opens a session as RIG does', async () => {
    const response = await get()
    expect([response.status, await response.text()]).toEqual([200, '"ok"'])
    expect(response.headers.get('content-type')).toBe('application/json; charset=utf-8')
    expect(response.headers.get('cache-control')).toBe('no-cache')
    expect(response.headers.get('access-control-allow-origin')).toBe('*')
    expect(response.headers.get('access-control-allow-credentials')).toBe('true')
    const [token, id] = response.headers.getSetCookie()
    expect(token).toMatch(/^connection_token=\d+\.[0-9a-f]{32}; path=\/; HttpOnly; SameSite=Lax$/)
    expect(id).toBe('last_event_id="first_event"; path=/; HttpOnly; SameSite=Lax')
  })

  it('answers the first poll with the two first events, the next one with none', async () => {
    const first = await poll(cookiesOf(await get(`?jwt=${await tokenOf('a', { username: 'alice' })}`)))
    expect(first.answer.events.map(({ type }) => type)).toEqual(['rig.connection.create', 'rig.subscriptions_set'])
    expect(first.answer.events[1]?.data).toEqual([{ eventType: 'greeting', oneOf: [{ name: 'alice' }] }])
    expect(Object.keys(first.answer).toSorted()).toEqual(['events', 'last_event_id'])
    expect(first.cookie).toContain(`last_event_id="${first.answer.last_event_id}"`)
    const second = await poll(first.cookie)
    expect(second.answer).toEqual({ last_event_id: first.answer.last_event_id, events: [] })
  })

  it.each([
    `connection_token=0.${'0'.repeat(32)}`,
    `connection_token=999.${'0'.repeat(32)}`,
    'connection_token=nonsense',
  ])('opens a new session for %s', async (cookie) => {
    const response = await get('', { cookie })
    expect(await response.text()).toBe('"ok"')
  })

  it('refuses a bad token and bad subscriptions, with CORS', async () => {
    const response = await get(`?jwt=${await sign({ sub: 'a', exp: 1 })}`)
    expect([response.status, await response.text()]).toEqual([
      401,
      'could not parse subscriptions: could not decode JWT: token expired',
    ])
    expect(response.headers.get('access-control-allow-origin')).toBe('*')
    expect((await get('?subscriptions=x')).status).toBe(400)
  })

  it('marks cookies Secure over https', async () => {
    const response = await get('', {}, 'https://rigel.example')
    for (const cookie of response.headers.getSetCookie()) expect(cookie).toMatch(/SameSite=Lax; Secure$/)
  })
})

describe('without cookies', () => {
  it('keeps its position when its session is lost, even before the new one was polled', async () => {
    const ask = async (query: Record<string, string>) => {
      const wanted = new URLSearchParams({ subscriptions: '[{"eventType":"moved.session"}]', ...query })
      return (await get(`?${wanted.toString()}`)).json<Answer>()
    }
    const opened = await ask({ connection_token: '' })
    const first = await ask({ connection_token: opened.connection_token ?? '', last_event_id: opened.last_event_id })
    await publish({ id: 'm1', type: 'moved.session' })
    let at = first.last_event_id
    for (const lost of ['1.00000000000000000000000000000000', '2.00000000000000000000000000000000']) {
      at = (await ask({ connection_token: lost, last_event_id: at })).last_event_id
      expect(at).toBe(first.last_event_id)
    }
    const again = await ask({ connection_token: '0.00000000000000000000000000000000', last_event_id: at })
    const polled = await ask({ connection_token: again.connection_token ?? '', last_event_id: again.last_event_id })
    expect(polled.recovered).toBeUndefined()
    expect(polled.events.map(({ type }) => type)).toContain('moved.session')
  })

  it('returns token and position in every answer, and sets no cookie', async () => {
    const opened = await get('?connection_token=')
    expect(opened.headers.getSetCookie()).toEqual([])
    const start = await opened.json<Answer>()
    expect(start).toMatchObject({ last_event_id: 'first_event', events: [] })
    const polled = await get(`?connection_token=${start.connection_token}&last_event_id=${start.last_event_id}`)
    const first = await polled.json<Answer>()
    expect(first.connection_token).toBe(start.connection_token)
    expect(first.events).toHaveLength(2)
    const next = await get(`?connection_token=${first.connection_token}&last_event_id=${first.last_event_id}`)
    expect((await next.json<Answer>()).events).toEqual([])
  })
})

describe('two tabs with the same cookies', () => {
  it('both wait, both get the next event, and neither ends the poll of the other', async () => {
    const opened = cookiesOf(await get(`?subscriptions=${encodeURIComponent('[{"eventType":"two.tabs"}]')}`))
    const { cookie } = await poll(opened)
    const polls = [poll(cookie), poll(cookie)]
    await publish({ id: 'for-both', type: 'two.tabs' })
    for (const { answer } of await Promise.all(polls)) expect(answer.events).toMatchObject([{ id: 'for-both' }])
  })

  it('keep waiting when the other one polls', async () => {
    const { cookie } = await poll(cookiesOf(await get()))
    let isAnswered = false
    const first = poll(cookie).then(() => (isAnswered = true))
    // Answered at once, for its position is older: the first one still waits then.
    await poll(cookie.replace(/last_event_id=.*/, 'last_event_id="first_event"'))
    expect(isAnswered).toBe(false)
    await first
  })
})

describe('cookies of a request that another site caused', () => {
  it('do not move the cursor of the session: the request is refused', async () => {
    const cookie = cookiesOf(await get())
    const response = await get('', { cookie, 'sec-fetch-site': 'cross-site' })
    expect([response.status, response.headers.getSetCookie()]).toEqual([400, []])
    expect((await poll(cookie)).answer.events).toHaveLength(2)
  })
})

describe('across origins', () => {
  const origin = 'https://app.example'
  const getWith = (cors: string) => {
    const request = new Request(`https://rigel.example${PATH}`, { headers: { origin } })
    return handle(request, { ...env, CORS: cors } as Env, createExecutionContext())
  }

  it('never names an origin for "*": browsers then refuse answers to requests with cookies', async () => {
    const response = await getWith('*')
    expect(response.headers.get('access-control-allow-origin')).toBe('*')
  })

  it('names an origin of the list, and lets its pages send the cookies', async () => {
    const response = await getWith('https://other.example, https://app.example')
    expect(response.headers.get('access-control-allow-origin')).toBe(origin)
    expect(response.headers.get('vary')).toBe('Origin')
    for (const cookie of response.headers.getSetCookie()) expect(cookie).toMatch(/SameSite=None; Secure$/)
  })

  it('names another origin to one that is not listed', async () => {
    const response = await getWith('https://other.example')
    expect(response.headers.get('access-control-allow-origin')).toBe('https://other.example')
  })

  it('answers the preflight', async () => {
    const response = await exports.default.fetch(new Request(`https://rigel.example${PATH}`, { method: 'OPTIONS' }))
    expect(response.status).toBe(204)
    expect(response.headers.get('access-control-allow-methods')).toBe('GET')
    expect(response.headers.get('access-control-allow-credentials')).toBe('true')
  })
})

describe('the shard of a client without a token', () => {
  const shardOfSession = async (position: string) => {
    const opened = await (await get(`?connection_token=&last_event_id=${position}`)).json<Answer>()
    return opened.connection_token?.split('.')[0] ?? ''
  }

  it('is chosen by the server, whatever position a client makes up', async () => {
    const shards = new Set<string>()
    for (let n = 0; n < 40; n += 1) shards.add(await shardOfSession('2.zz-0'))
    expect(shards.size).toBeGreaterThan(1)
  })

  it('is that of its position, if the position is of the log there', async () => {
    const opened = await (await get('?connection_token=')).json<Answer>()
    const polled = await (await get(`?connection_token=${opened.connection_token}`)).json<Answer>()
    const shards = await Promise.all([1, 2, 3, 4, 5, 6].map(() => shardOfSession(polled.last_event_id)))
    expect(new Set(shards)).toEqual(new Set([opened.connection_token?.split('.')[0]]))
  })
})
