import { describe, expect, it } from 'vitest'
import { MAX_CONCURRENT_CALLS } from '../../src/core/concurrency.ts'
import { parseStructured } from '../../src/core/events/cloud-event.ts'
import type { CloudEvent } from '../../src/core/events/stored-event.ts'
import { NO_GRANT, type TypeGrant } from '../../src/core/rules/type-grant.ts'
import { PublishRules } from '../../src/publishing/publish-rules.ts'
import { expectLogs } from '../support/expect-logs.ts'
import { makeConfig } from '../support/make-tokens.ts'

expectLogs(/a hook did not decide about an event: refused/)

const HOOK = 'https://hooks.example.com/events'
const EXTRACTORS = JSON.stringify({ order: { tenant: { event: { json_pointer: '/data/tenant' } } } })

function toEvent(members: object): CloudEvent {
  const event = parseStructured(
    JSON.stringify({ specversion: '1.0', id: '1', source: '/page', type: 'order', ...members }),
  )
  if (!event.ok) throw new Error(event.reason)
  return event.value
}

/** Rules of these types, with a hook that answers so, and what it was asked. */
function makeRules(types: object, answer: () => Response = () => new Response(null, { status: 204 })) {
  const asked: { readonly url: string; readonly body: string; readonly publisher: string | null }[] = []
  const clock = { nowMs: 0 }
  const rules = new PublishRules(makeConfig({ EXTRACTORS, TYPES: JSON.stringify(types) }), {
    nowMs: () => clock.nowMs,
    fetch: async (input, init) => {
      const request = new Request(input, init)
      asked.push({ url: request.url, body: await request.text(), publisher: request.headers.get('rigel-publisher') })
      return answer()
    },
  })
  const admit = async (events: readonly CloudEvent[], grant: TypeGrant = NO_GRANT, publisher = 'user alice') => {
    const admitted = await rules.admit(events, grant, publisher)
    return admitted.ok ? admitted.value : admitted.reason
  }
  return { admit, asked, clock }
}

describe('an event that a client publishes', () => {
  it('is free without rules for its type, and may be narrowed by the token', async () => {
    const { admit } = makeRules({ other: { publish: 'nobody' } })
    const events = [toEvent({})]
    expect(await admit(events)).toEqual(events)
    expect(await admit(events, { ...NO_GRANT, only: { publish: ['order', 'a.*'] } })).toEqual(events)
    const narrowed = { ...NO_GRANT, only: { publish: [] } }
    const message = 'publish order: the token narrows to other types'
    expect(await admit(events, narrowed)).toEqual({ kind: 'type_forbidden', message })
    const open = makeRules({ '*': { publish: 'anybody' } })
    expect(await open.admit(events, narrowed)).toEqual({ kind: 'type_forbidden', message })
  })

  it('must be of those whom the type names, by role, or by a claim that equals its field', async () => {
    const { admit } = makeRules({ order: { publish: [{ role: 'clerk' }, { claim: '/tenant', field: 'tenant' }] } })
    const event = toEvent({ data: { tenant: 'a' } })
    expect(await admit([event])).toEqual({
      kind: 'type_forbidden',
      message: 'publish order: allowed: the role "clerk" or clients with a claim /tenant',
    })
    expect(await admit([event], { ...NO_GRANT, roles: ['clerk'] })).toEqual([event])
    expect(await admit([event], { ...NO_GRANT, claims: { '/tenant': 'a' } })).toEqual([event])
    expect(await admit([event], { ...NO_GRANT, claims: { '/tenant': 'b' } })).toMatchObject({ kind: 'type_forbidden' })
  })

  it('must have nothing but the claim in a field with several values', async () => {
    const { admit } = makeRules({ order: { publish: { claim: '/tenant', field: 'tenant' } } })
    const ofTenants = (...tenant: readonly string[]) => [toEvent({ data: { tenant } })]
    const one = { ...NO_GRANT, claims: { '/tenant': 'a' } }
    const two = { ...NO_GRANT, claims: { '/tenant': { in: ['a', 'b'] } } }
    expect(await admit(ofTenants('a', 'b'), one)).toMatchObject({ kind: 'type_forbidden' })
    for (const events of [ofTenants('a', 'a'), ofTenants('a')]) expect(await admit(events, one)).toEqual(events)
    expect(await admit(ofTenants('a', 'b'), two)).toHaveLength(1)
    expect(await admit(ofTenants('a', 'b', 'c'), two)).toMatchObject({ kind: 'type_forbidden' })
  })

  it('is published as it was read: no other reader finds another type in it', async () => {
    const { admit } = makeRules({ secret: { publish: 'nobody' } })
    const twice = parseStructured('{"specversion":"1.0","id":"1","source":"/","type":"secret","type":"order"}')
    if (!twice.ok) throw new Error(twice.reason)
    const published = { json: '{"specversion":"1.0","id":"1","source":"/","type":"order"}' }
    expect(await admit([twice.value])).toMatchObject([published])
    expect(await admit([toEvent({ eventType: 'secret' })])).toMatchObject({ kind: 'not_a_cloud_event' })
  })

  it('has a size, and a rate by publisher over all types of a pattern', async () => {
    const { admit, clock } = makeRules({ '*': { max_bytes: 200 }, 'a.*': { max_per_second: 2 } })
    expect(await admit([toEvent({ data: 'x'.repeat(200) })])).toMatchObject({
      kind: 'event_too_large',
      limitBytes: 200,
    })
    const [one, two] = [toEvent({ type: 'a.1' }), toEvent({ type: 'a.2' })]
    expect(await admit([one, two])).toEqual([one, two])
    expect(await admit([one])).toEqual({ kind: 'rate_limited' })
    expect(await admit([one], NO_GRANT, 'user bob')).toEqual([one])
    clock.nowMs += 500
    expect(await admit([one])).toEqual([one])
  })
})

describe('a batch that is refused', () => {
  const [small, large] = [toEvent({ type: 'a.1' }), toEvent({ type: 'a.2', data: 'x'.repeat(200) })]

  it('costs nothing of the rate of its types, wherever the refused event is in it', async () => {
    const { admit } = makeRules({ '*': { max_bytes: 200 }, 'a.*': { max_per_second: 2 } })
    for (let n = 0; n < 10; n += 1) {
      expect(await admit([small, large])).toMatchObject({ kind: 'event_too_large' })
      expect(await admit([large, small])).toMatchObject({ kind: 'event_too_large' })
    }
    expect(await admit([small, small])).toEqual([small, small])
  })

  it('because one pattern has nothing left costs nothing of another', async () => {
    const { admit, clock } = makeRules({ 'a.*': { max_per_second: 1 }, 'b.*': { max_per_second: 1 } })
    const other = toEvent({ type: 'b.1' })
    expect(await admit([small])).toEqual([small])
    expect(await admit([other, small])).toEqual({ kind: 'rate_limited' })
    expect(await admit([other])).toEqual([other])
    clock.nowMs += 1_000
    // A batch may be larger than what is left: it is paid before the next.
    expect(await admit([small, small, small])).toHaveLength(3)
    clock.nowMs += 1_000
    expect(await admit([small])).toEqual({ kind: 'rate_limited' })
  })
})

describe('a hook', () => {
  it('sees the event and its publisher, and accepts or changes it', async () => {
    const event = toEvent({ data: { total: 1 } })
    const accepting = makeRules({ order: { hook: HOOK } })
    expect(await accepting.admit([event])).toMatchObject([{ json: event.json }])
    expect(accepting.asked).toEqual([{ url: HOOK, body: event.json, publisher: 'user%20alice' }])
    const changed = { specversion: '1.0', id: '1', source: '/page', type: 'order', data: { total: 2 } }
    const changing = makeRules({ order: { hook: HOOK } }, () => Response.json(changed))
    const other = toEvent({ type: 'other' })
    expect(await changing.admit([other, event])).toEqual([other, toEvent({ data: { total: 2 } })])
  })

  it('changes it to one that every reader reads alike, or to none', async () => {
    const answer = (type: string) =>
      new Response(`{"specversion":"1.0","id":"1","source":"/page","type":"order",${type},"data":{}}`)
    const twice = makeRules({ order: { hook: HOOK } }, () => answer('"type":"other"'))
    expect(await twice.admit([toEvent({})])).toEqual([toEvent({ type: 'other', data: {} })])
    const both = makeRules({ order: { hook: HOOK } }, () => answer('"eventType":"other"'))
    expect(await both.admit([toEvent({})])).toMatchObject({ kind: 'unavailable' })
  })

  it('is not asked about the rest of a batch once it has refused an event, or does not answer', async () => {
    for (const status of [409, 500]) {
      const { admit, asked } = makeRules({ order: { hook: HOOK } }, () => new Response(null, { status }))
      expect(await admit(Array.from({ length: 100 }, () => toEvent({})))).toMatchObject({})
      expect(asked.length).toBeLessThanOrEqual(MAX_CONCURRENT_CALLS)
    }
  })

  it('refuses it with a reason; all of a batch, and none if it does not decide', async () => {
    const refusing = makeRules({ order: { hook: HOOK } }, () => new Response('no stock', { status: 409 }))
    expect(await refusing.admit([toEvent({ type: 'other' }), toEvent({})])).toEqual({
      kind: 'type_forbidden',
      message: 'no stock',
    })
    for (const answer of [
      () => new Response('broken', { status: 500 }),
      () => new Response(null, { status: 302, headers: { location: 'https://elsewhere.example.com' } }),
      () => new Response('no event'),
      () => new Response('x'.repeat(2_000_000)),
      () => {
        throw new Error('out of reach')
      },
    ])
      expect(await makeRules({ order: { hook: HOOK } }, answer).admit([toEvent({})])).toMatchObject({
        kind: 'unavailable',
      })
  })

  it('is not asked about an event that is refused before', async () => {
    const { admit, asked } = makeRules({ order: { hook: HOOK, publish: 'nobody' } })
    expect(await admit([toEvent({})])).toMatchObject({ kind: 'type_forbidden' })
    expect(asked).toEqual([])
  })
})
