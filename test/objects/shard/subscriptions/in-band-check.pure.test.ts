// SUBSCRIPTION_CHECK for subscriptions that come on an open connection, by rigel.v1 and by joining a Phoenix channel.
import { describe, expect, it } from 'vitest'
import type { AuthorizationRequest } from '../../../../src/auth/external-authorizer.ts'
import { keptAuthorization } from '../../../../src/core/identity/kept-authorization.ts'
import { ok } from '../../../../src/core/result.ts'
import { InBandCheck, refusalWithoutToken } from '../../../../src/objects/shard/subscriptions/in-band-check.ts'
import { openChannel } from '../../../../src/objects/shard/transports/phoenix/channel.ts'

const SERVICE = { url: 'https://check.test/' }
const WANTED = [{ eventType: 'a', oneOf: [{ n: 1 }] }]

function join(topic: string, check: Parameters<typeof refusalWithoutToken>[0], hasToken = true) {
  const owner = { user: 'alice', sessions: [], openedAtMs: 0, metadata: {} }
  const joiner = { id: 'a', owner, hasToken, phoenix: null }
  const rules = { extractors: new Map(), widenUnknown: false, privilegedRoles: [], check, typeRules: null }
  const opened = openChannel(joiner, { topic, joinRef: '1', payload: {} }, { name: 'message' }, rules)
  return opened.ok ? 'joined' : opened.reason
}

function makeService(isAllowed: boolean) {
  const asked: [string, AuthorizationRequest][] = []
  const ask = (url: string, request: AuthorizationRequest) => {
    asked.push([url, request])
    return Promise.resolve(isAllowed)
  }
  return { asked, check: new InBandCheck(SERVICE, ask) }
}

describe('a check service', () => {
  it('is asked as by PUT, with the token that the connection keeps, or without one', async () => {
    const { asked, check } = makeService(true)
    expect(await check.refusalOf(WANTED, 'Bearer t')).toBeUndefined()
    expect(await check.refusalOf([], null)).toBeUndefined()
    const contentType = 'application/json'
    expect(asked).toEqual([
      [
        SERVICE.url,
        { contentType, authorization: 'Bearer t', body: '{"subscriptions":[{"eventType":"a","oneOf":[{"n":1}]}]}' },
      ],
      [SERVICE.url, { contentType, authorization: null, body: '{"subscriptions":[]}' }],
    ])
  })

  it('refuses', async () => {
    expect(await makeService(false).check.refusalOf(WANTED, 'Bearer t')).toEqual({ kind: 'subscription_denied' })
  })

  it('is not asked without the token, if that is too long to keep, or none that a header could have', async () => {
    const { asked, check } = makeService(true)
    for (const token of ['x'.repeat(8_193), 'ä', 'a b', '']) {
      expect(await check.refusalOf(WANTED, keptAuthorization(token))).toMatchObject({
        kind: 'bad_request',
        message: expect.stringMatching(/or by PUT/) as string,
      })
    }
    expect(asked).toEqual([])
    expect([keptAuthorization('x'.repeat(8_192))?.length, keptAuthorization(null)]).toEqual([8_199, null])
  })

  it('gets changes of one connection in their order, and at most ten of them wait', async () => {
    const { check } = makeService(true)
    const first = Promise.withResolvers<void>()
    const order: number[] = []
    const connection = {}
    const change = (n: number) =>
      check.inTurn(connection, async () => {
        if (n === 0) await first.promise
        order.push(n)
        return ok(n)
      })
    const changes = Array.from({ length: 11 }, (_, n) => change(n))
    expect(await changes[10]).toEqual({ ok: false, reason: { kind: 'rate_limited' } })
    expect(await check.inTurn({}, () => Promise.resolve(ok('of another')))).toEqual(ok('of another'))
    expect(order).toEqual([])
    first.resolve()
    await Promise.all(changes)
    expect(order).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9])
    expect(await change(11)).toEqual(ok(11))
  })
})

it('without a service, nothing is asked and nothing waits', async () => {
  const check = new InBandCheck('no_check', () => Promise.reject(new Error('asked')))
  expect(await check.refusalOf(WANTED, undefined)).toBeUndefined()
  expect(await check.inTurn({}, () => Promise.resolve(ok(1)))).toEqual(ok(1))
})

it('a token is enough where only tokens are checked; a service is asked by the caller', () => {
  expect([refusalWithoutToken('jwt_validation', true), refusalWithoutToken('no_check', false)]).toEqual([
    undefined,
    undefined,
  ])
  expect(refusalWithoutToken('jwt_validation', false)).toEqual({ kind: 'subscription_denied' })
  expect([join('events:a', 'jwt_validation'), join('events:a', 'no_check'), join('events:a', SERVICE)]).toEqual([
    'joined',
    'joined',
    'joined',
  ])
  expect(join('events:a', 'jwt_validation', false)).toMatch(/denied/)
})
