import { describe, expect, it } from 'vitest'
import { createAuthorizer, type AuthorizationRequest } from '../../src/auth/external-authorizer.ts'
import { expectLogs } from '../support/expect-logs.ts'

expectLogs(/a check service (answered with neither 2xx, 401 nor 403|did not answer): denied/)

const URL = 'https://check.test/Path'
const question: AuthorizationRequest = {
  contentType: 'application/json',
  authorization: 'Bearer opaque',
  body: '{"a":1}',
}

/** A service that gives these answers, and what it was asked. */
function makeService(...answers: readonly (() => Response | Promise<Response>)[]) {
  const asked: { url: string; init: RequestInit | undefined }[] = []
  const clock = { nowMs: 0 }
  const ask = createAuthorizer({
    timeoutMs: 50,
    nowMs: () => clock.nowMs,
    fetch: async (input, init) => {
      asked.push({ url: new Request(input).url, init })
      const answer = answers[Math.min(asked.length, answers.length) - 1]
      if (answer === undefined) throw new Error('no answer')
      return answer()
    },
  })
  return { ask, asked, clock }
}

const status =
  (code: number, headers: HeadersInit = {}) =>
  () =>
    new Response('x'.repeat(1_000), { status: code, headers })

describe('a check service', () => {
  it('is asked by POST with content type, authorization and body', async () => {
    const { ask, asked } = makeService(status(200))
    expect(await ask(URL, question)).toBe(true)
    expect(asked[0]).toMatchObject({
      url: URL,
      init: {
        method: 'POST',
        body: '{"a":1}',
        redirect: 'manual',
        headers: { authorization: 'Bearer opaque', 'content-type': 'application/json' },
      },
    })
  })

  it.each([
    [200, true],
    [204, true],
    [401, false],
    [403, false],
    [404, false],
    [500, false],
  ])('that answers %i: %s', async (code, isAllowed) => {
    const answer = code === 204 ? () => new Response(null, { status: 204 }) : status(code)
    expect(await makeService(answer).ask(URL, question)).toBe(isAllowed)
  })

  it('that redirects, fails or is silent denies', async () => {
    expect(await makeService(() => Response.redirect('https://other.test/', 302)).ask(URL, question)).toBe(false)
    expect(await makeService(() => Promise.reject(new TypeError('network'))).ask(URL, question)).toBe(false)
    const silent = createAuthorizer({
      timeoutMs: 10,
      nowMs: () => 0,
      fetch: (_input, init) =>
        new Promise((_resolve, reject) => init?.signal?.addEventListener('abort', () => reject(new Error('aborted')))),
    })
    expect(await silent(URL, question)).toBe(false)
  })

  it('is asked every time, unless it says how long its decision is valid', async () => {
    const plain = makeService(status(200), status(403))
    expect([await plain.ask(URL, question), await plain.ask(URL, question)]).toEqual([true, false])
    const cached = makeService(status(200, { 'cache-control': 'private, max-age=10' }), status(403))
    expect([await cached.ask(URL, question), await cached.ask(URL, question)]).toEqual([true, true])
    expect(await cached.ask(URL, { ...question, authorization: 'Bearer other' })).toBe(false)
    cached.clock.nowMs = 10_001
    expect(await cached.ask(URL, question)).toBe(false)
    const never = makeService(status(200, { 'cache-control': 'no-store, max-age=10' }), status(403))
    expect([await never.ask(URL, question), await never.ask(URL, question)]).toEqual([true, false])
  })
})
