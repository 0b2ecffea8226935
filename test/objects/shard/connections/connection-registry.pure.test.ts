import { describe, expect, it } from 'vitest'
import type { Principal } from '../../../../src/core/identity/principal.ts'
import { dueAt, nextDueMs, toWarnAt } from '../../../../src/objects/shard/connections/connection-deadlines.ts'
import { ConnectionRegistry } from '../../../../src/objects/shard/connections/connection-registry.ts'
import { FakeConnection } from '../../../support/fake-connection.ts'

const LIMITS = { perShard: 100, perMinute: 100, perUser: 100, perSession: 100, metadataIndexes: ['device'] }
const ANYBODY: Principal = { user: null, session: null, expSeconds: null }
const owner = { user: 'alice', sessions: ['s1'], openedAtMs: 0, metadata: { device: 'phone' } }

function registryWith(limits: Partial<typeof LIMITS>, connections: readonly FakeConnection[] = []): ConnectionRegistry {
  const registry = new ConnectionRegistry({ ...LIMITS, ...limits })
  for (const connection of connections) registry.add(connection)
  return registry
}

describe('a limit of connections', () => {
  it.each([
    ['shard', { perShard: 2 }, ANYBODY],
    ['user', { perUser: 2 }, { ...ANYBODY, user: 'alice' }],
    ['session', { perSession: 2 }, { ...ANYBODY, session: 's1' }],
  ] as const)(
    'per %s refuses the next one, and admits one again when a connection is removed',
    (scope, limits, who) => {
      const [first, second] = [new FakeConnection({ owner }), new FakeConnection({ owner })]
      const registry = registryWith(limits, [first])
      expect(registry.admit(who, 0)).toEqual({ ok: true, value: null })
      registry.add(second)
      expect(registry.admit(who, 0)).toEqual({ ok: false, reason: { kind: 'too_many_connections', scope } })
      registry.remove(second)
      expect(registry.admit(who, 0).ok).toBe(true)
    },
  )

  it('of one user or session does not refuse others', () => {
    const registry = registryWith({ perUser: 1, perSession: 1 }, [new FakeConnection({ owner })])
    expect(registry.admit({ ...ANYBODY, user: 'bob', session: 's2' }, 0).ok).toBe(true)
    expect(registry.admit(ANYBODY, 0).ok).toBe(true)
  })

  it('per minute counts calendar minutes', () => {
    const registry = registryWith({ perMinute: 2 })
    const at = (nowMs: number) => registry.admit(ANYBODY, nowMs).ok
    expect([at(0), at(59_998), at(59_999), at(60_000)]).toEqual([true, true, false, true])
  })
})

it('a connection that was removed is not registered again by a late change of its state', () => {
  const connection = new FakeConnection({ owner })
  const registry = registryWith({ perUser: 1 }, [connection])
  registry.remove(connection)
  const { state } = connection
  const subscriptions = [{ eventType: 'a', oneOf: [] }]
  for (const late of [{ pinned: '0.a-1' }, { tables: { a: 5 } }, { subscriptions }])
    expect(registry.update(connection, { ...state, ...late })).toBe(false)
  expect([registry.size, registry.users().size, registry.wantsType('a'), connection.state]).toEqual([
    0,
    0,
    false,
    state,
  ])
  expect(registry.admit({ ...ANYBODY, user: 'alice' }, 0).ok).toBe(true)
})

describe('equal sets of subscriptions', () => {
  const set = (...types: readonly string[]) => types.map((eventType) => ({ eventType, oneOf: [] }))
  const wants = (registry: ConnectionRegistry, type: string) =>
    registry.countMatching({ type, fields: {}, recipients: null, connectionId: null })

  it('are held once, and so is what is looked up in their filters', () => {
    const [first, second] = [
      new FakeConnection({ subscriptions: set('a') }),
      new FakeConnection({ subscriptions: set('a') }),
    ]
    const registry = registryWith({}, [first, second])
    expect(second.state.subscriptions).toBe(first.state.subscriptions)
    expect(second.filter.byType).toBe(first.filter.byType)
    const third = new FakeConnection({ subscriptions: set('b') })
    registry.add(third)
    registry.update(third, { ...third.state, subscriptions: set('a') })
    expect(third.filter.byType).toBe(first.filter.byType)
    expect([wants(registry, 'a'), wants(registry, 'b')]).toEqual([3, 0])
    for (const connection of [first, third]) registry.remove(connection)
    expect([wants(registry, 'a'), registry.wantsType('b')]).toEqual([1, false])
  })

  it('are no reason to share the filter of channels', () => {
    const byChannel = new FakeConnection({ subscriptions: [] })
    Object.assign(byChannel, {
      takesSubscriptions: false,
      filter: { ...byChannel.filter, byType: new Map([['a', []]]) },
    })
    const registry = registryWith({}, [new FakeConnection({ subscriptions: [] }), byChannel])
    expect(wants(registry, 'a')).toBe(1)
  })
})

describe('find', () => {
  const other = { ...owner, sessions: ['s2'], metadata: { device: 'desk' } }
  const [phone, desk, bobs] = [
    new FakeConnection({ owner }),
    new FakeConnection({ owner: other }),
    new FakeConnection({ owner: { ...owner, user: 'bob' } }),
  ]
  const registry = registryWith({}, [phone, desk, bobs])

  it.each([
    [{}, [phone, desk, bobs]],
    [{ user: 'alice' }, [phone, desk]],
    [{ session: 's1' }, [phone, bobs]],
    [{ user: 'alice', session: 's1' }, [phone]],
    [{ user: 'bob', session: 's2' }, []],
    [{ metadata: { field: 'device', value: 'phone' } }, [phone, bobs]],
    [{ user: 'alice', metadata: { field: 'device', value: 'desk' } }, [desk]],
    [{ session: 's1', metadata: { field: 'device', value: 'desk' } }, []],
    [{ connectionId: phone.state.id }, [phone]],
    [{ connectionId: phone.state.id, user: 'bob' }, []],
  ])('%j returns the connections for which all of it holds', (query, expected) => {
    expect(registry.find(query)).toEqual(expected)
  })

  it('goes by the newest owner of a connection', () => {
    const connection = new FakeConnection({ owner })
    const moved = registryWith({}, [connection])
    moved.update(connection, { ...connection.state, owner: { ...owner, sessions: ['s1', 's9'], metadata: {} } })
    expect(moved.find({ session: 's9' })).toEqual([connection])
    expect(moved.find({ metadata: { field: 'device', value: 'phone' } })).toEqual([])
  })
})

describe('the end of a connection', () => {
  it('is due when its time has come, and a warning before its token expires', () => {
    const byToken = new FakeConnection({ endsAtMs: 10_000, endsByToken: true })
    const byLifetime = new FakeConnection({ endsAtMs: 20_000 })
    const registry = registryWith({}, [byToken, byLifetime])
    expect(nextDueMs(registry.all(), 3_000)).toBe(7_000)
    expect([toWarnAt(registry.all(), 6_999, 3_000), toWarnAt(registry.all(), 7_000, 3_000)]).toEqual([[], [byToken]])
    byToken.isWarned = true
    expect([nextDueMs(registry.all(), 3_000), toWarnAt(registry.all(), 7_000, 3_000)]).toEqual([10_000, []])
    expect([dueAt(registry.all(), 9_999), dueAt(registry.all(), 10_000), dueAt(registry.all(), 20_000)]).toEqual([
      [],
      [byToken],
      [byToken, byLifetime],
    ])
  })

  it('of the last stream leaves only connections that the runtime holds back', () => {
    const registry = new ConnectionRegistry(LIMITS)
    const stream = new FakeConnection()
    Object.assign(stream, { isGated: false })
    registry.add(new FakeConnection())
    expect(registry.areGated).toBe(true)
    registry.add(stream)
    expect(registry.areGated).toBe(false)
    registry.remove(stream)
    registry.remove(stream)
    expect(registry.areGated).toBe(true)
  })

  it('is removed once: a connection can end from both sides', () => {
    const connection = new FakeConnection({ owner })
    const registry = registryWith({}, [connection])
    expect([registry.remove(connection), registry.remove(connection), registry.size]).toEqual([true, false, 0])
  })
})
