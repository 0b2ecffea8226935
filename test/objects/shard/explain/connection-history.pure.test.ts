import { expect, it } from 'vitest'
import { createFilter } from '../../../../src/core/subscriptions/filter.ts'
import { ConnectionHistory } from '../../../../src/objects/shard/explain/connection-history.ts'
import { FakeConnection } from '../../../support/fake-connection.ts'

const ownerOf = (user: string) => ({ user, sessions: [], openedAtMs: 0, metadata: {} })
/** About 64 kB, the most that a connection may have. */
const large = (salt: string) =>
  Array.from({ length: 100 }, (_, n) => ({ eventType: `${salt}.${n}.${'x'.repeat(600)}`, oneOf: [] }))

function openConnection(history: ConnectionHistory, user: string, salt: string): FakeConnection {
  const connection = new FakeConnection({ owner: ownerOf(user), subscriptions: large(salt) })
  history.opened(connection, 0, null)
  return connection
}

function refilter(history: ConnectionHistory, connection: FakeConnection, salt: string): void {
  connection.filter = createFilter(connection.state.id, connection.state.owner.user, large(salt))
  history.refiltered(connection, 1)
}

/** Characters of the types of all filters. */
function charsOf(all: readonly { readonly facts: { readonly filters: ConnectionHistoryFilters } }[]): number {
  const filters = new Set(all.flatMap(({ facts }) => facts.filters.map(({ filter }) => filter)))
  return [...filters].reduce((sum, { byType }) => sum + [...byType.keys()].join('').length, 0)
}
type ConnectionHistoryFilters = ReturnType<ConnectionHistory['of']>['facts']['filters']

it('connections that ended with large sets of subscriptions do not fill the memory', () => {
  const history = new ConnectionHistory(() => 0)
  for (let n = 0; n < 500; n += 1) history.ended(openConnection(history, 'mallory', String(n)), null)
  const remembered = history.endedOf('mallory')
  expect(remembered.length).toBeGreaterThan(10)
  expect(charsOf(remembered)).toBeLessThan(4_194_304)
})

it('nor do the earlier sets of connections that are open', () => {
  const history = new ConnectionHistory(() => 0)
  const connections = Array.from({ length: 100 }, (_, n) => openConnection(history, 'mallory', String(n)))
  for (const connection of connections)
    for (const change of ['a', 'b', 'c']) refilter(history, connection, `${connection.state.id}.${change}`)
  const current = new Set(connections.map(({ filter }) => filter))
  const earlier = connections.map((connection) => {
    const { facts } = history.of(connection)
    return { facts: { ...facts, filters: facts.filters.filter(({ filter }) => !current.has(filter)) } }
  })
  expect(charsOf(earlier)).toBeLessThan(4_194_304)
  expect(history.of(connections[99] as FakeConnection).facts).toMatchObject({ hasForgotten: true })
})

it('what a connection took is free again once it is forgotten', () => {
  const history = new ConnectionHistory(() => 0)
  for (let round = 0; round < 20; round += 1) {
    const connections = Array.from({ length: 20 }, (_, n) => openConnection(history, 'mallory', `${round}.${n}`))
    for (const connection of connections) refilter(history, connection, `${connection.state.id}.a`)
    for (const connection of connections) history.ended(connection, null)
    history.forget('mallory')
  }
  const alice = openConnection(history, 'alice', 'a')
  refilter(history, alice, 'b')
  expect(history.of(alice).facts).toMatchObject({ hasForgotten: false, filters: { length: 2 } })
})
