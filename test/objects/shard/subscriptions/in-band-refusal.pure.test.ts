// SUBSCRIPTION_CHECK for subscriptions that come on an open connection, by rigel.v1 and by joining a Phoenix channel.
import { describe, expect, it } from 'vitest'
import { inBandRefusal } from '../../../../src/objects/shard/subscriptions/in-band-refusal.ts'
import { openChannel } from '../../../../src/objects/shard/transports/phoenix/channel.ts'

const SERVICE = { url: 'https://check.test/' }
const BY_SERVICE = /^A service checks subscriptions here, by the token: subscribe by .*, or by PUT\.$/

function join(topic: string, check: Parameters<typeof inBandRefusal>[0]) {
  const owner = { user: 'alice', sessions: [], openedAtMs: 0, metadata: {} }
  const joiner = { id: 'a', owner, hasToken: true, phoenix: null }
  const rules = { extractors: new Map(), widenUnknown: false, privilegedRoles: [], check, typeRules: null }
  const opened = openChannel(joiner, { topic, joinRef: '1', payload: {} }, { name: 'message' }, rules)
  return opened.ok ? 'joined' : opened.reason
}

describe('a check service cannot be asked, because a connection keeps no token', () => {
  it('says so, and where to subscribe instead', () => {
    expect(inBandRefusal(SERVICE, true)).toMatchObject({ message: expect.stringMatching(BY_SERVICE) as string })
    expect(join('events:a', SERVICE)).toMatch(BY_SERVICE)
  })

  it('lets users join their own channel, which is no subscription', () => {
    expect(join('user:alice', SERVICE)).toBe('joined')
  })
})

it('a token is enough where only tokens are checked', () => {
  expect([inBandRefusal('jwt_validation', true), inBandRefusal('no_check', false)]).toEqual([undefined, undefined])
  expect(inBandRefusal('jwt_validation', false)).toEqual({ kind: 'subscription_denied' })
  expect([join('events:a', 'jwt_validation'), join('events:a', 'no_check')]).toEqual(['joined', 'joined'])
})
