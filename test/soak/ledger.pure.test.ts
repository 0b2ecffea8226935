// What the soak counts as a fault of Rigel, and what no promise is broken by.
import { expect, it } from 'vitest'
import { Account, Ledger } from '../../scripts/soak/ledger.ts'

/** An account of bob, who follows type `a`, and a ledger of these events of producer 0: their record keys, and who they are for. */
function makeAccount(events: readonly { readonly key: string; readonly to?: string }[], hasChannels = false) {
  const ledger = new Ledger()
  const account = new Account(ledger, 'sse 0', 'bob', ['a'], hasChannels)
  const take = (type: string, id: string, recovered?: boolean) =>
    account.take({ specversion: '1.0', id, type, data: recovered === undefined ? {} : { recovered } })
  take('rig.connection.create', '')
  for (const [number, { key, to = null }] of events.entries())
    ledger.begin({ id: `0-${number}`, type: 'a', to, producer: 0, number, key })
  return { account, take, got: (...numbers: number[]) => numbers.forEach((number) => take('a', `0-${number}`)) }
}

const same = [{ key: 'k' }, { key: 'k' }, { key: 'k' }]

it('an event that comes after a later one of its partition is out of order', () => {
  const { account, got } = makeAccount(same)
  got(0, 2, 1)
  expect(account.violations['out of order']).toEqual(['0-1 after 0-2'])
  expect(account.missing()).toEqual([])
})

it('events of different keys may overtake each other: they are in different partitions', () => {
  const { account, got } = makeAccount([{ key: '/soak/0' }, { key: 'bob', to: 'bob' }, { key: '/soak/0' }])
  got(0, 2, 1)
  expect(Object.values(account.violations).flat()).toEqual([])
})

it('channels of one client are read apart', () => {
  const { account, got } = makeAccount([{ key: 'k' }, { key: 'k', to: 'bob' }, { key: 'k' }], true)
  got(0, 2, 1)
  expect(account.violations['out of order']).toEqual([])
})

it('an event that comes twice, or is for somebody else, or is nobody’s is named', () => {
  const { account, got, take } = makeAccount([{ key: 'k' }, { key: 'k', to: 'alice' }])
  got(0, 0, 1)
  take('a', '7-7')
  expect(account.violations).toMatchObject({ twice: ['0-0'], leaked: ['0-1 (a, to alice)'], unknown: ['7-7'] })
})

it('what has not come is lost, unless the client was told of a gap', () => {
  const { account, got, take } = makeAccount(same)
  got(0)
  expect(account.missing()).toEqual(['0-1', '0-2'])
  take('rig.connection.create', '', true)
  expect(account.missing()).toEqual(['0-1', '0-2'])
  take('rig.connection.create', '', false)
  expect(account.missing()).toEqual([])
})
