// The client's tables: what a page sees of rows, changes, removals, and a table that comes again.
import { describe, expect, it } from 'vitest'
import { EventQueue } from '../../src/client/event-queue.ts'
import { table } from '../../src/client/table.ts'
import type { Rigel } from '../../src/client/types.ts'

function open() {
  const queue = new EventQueue((error) => {
    throw error
  })
  const rigel = { on: (type: string, handler: (event: never) => unknown) => queue.on(type, handler as never) }
  const orders = table(rigel as unknown as Pick<Rigel, 'on'>, 'order')
  const get = async (type: string, more: object) =>
    queue.dispatch({ specversion: '1.0', id: '1', source: 's', type, position: null, ...more })
  const row = (subject: string, n: number) => get('order', { subject, data: { n } })
  const told = (type: string, data: object) => get(`rig.table.${type}`, { data: { type: 'order', ...data } })
  const values = () => Object.fromEntries([...orders.rows].map(([key, { data }]) => [key, (data as { n: number }).n]))
  return { get, orders, row, told, values }
}

describe('a table of the client', () => {
  it('is current from its last row on, with every change and removal', async () => {
    const { get, orders, row, told, values } = open()
    await told('reset', {})
    await row('a', 1)
    await row('b', 2)
    await get('order', { partitionkey: 'c', subject: 'not the key', data: { n: 3 } })
    expect([orders.state, values()]).toEqual(['loading', {}])
    await told('complete', { rows: 3 })
    const before = orders.rows
    await row('a', 4)
    await told('removed', { key: 'b' })
    await get('order', { subject: 'c' })
    await get('rig.table.removed', { data: { type: 'other', key: 'a' } })
    expect([orders.state, values(), orders.rows === before]).toEqual(['current', { a: 4 }, false])
  })

  it('has no row where the server has none: nobody would be told that it is gone', async () => {
    const { row, told, values } = open()
    await told('reset', { key_attribute: 'subject' })
    await row('x'.repeat(1_025), 1)
    await told('complete', { rows: 0 })
    for (const key of ['x'.repeat(1_025), '', 'a\ud800', '\udc00\ud800']) await row(key, 2)
    expect(values()).toEqual({})
    for (const key of ['x'.repeat(1_024), '😀', '__proto__', 'é', 'e\u0301']) await row(key, 3)
    expect(Object.keys(values())).toHaveLength(5)
  })

  it('finds the key where the server says that it is', async () => {
    const { get, row, told, values } = open()
    await told('reset', { key_attribute: 'subject' })
    await get('order', { partitionkey: 'customer', subject: 'a', data: { n: 1 } })
    await told('complete', { rows: 1 })
    await get('order', { partitionkey: 'customer', subject: 'b', data: { n: 2 } })
    await row('c', 3)
    await told('removed', { key: 'a' })
    expect(values()).toEqual({ b: 2, c: 3 })
  })

  it('shows what it had until a table that comes again is whole', async () => {
    const { orders, row, told, values } = open()
    let changes = 0
    orders.onChange(() => (changes += 1))
    await told('reset', {})
    await row('a', 1)
    await told('complete', {})
    await told('reset', {})
    await row('b', 2)
    expect([values(), orders.state]).toEqual([{ a: 1 }, 'loading'])
    await told('reset', {})
    await row('c', 3)
    await told('complete', {})
    expect([values(), orders.state, changes]).toEqual([{ c: 3 }, 'current', 5])
    await told('failed', { reason: 'too large' })
    await row('d', 4)
    expect([values(), orders.state]).toEqual([{ c: 3 }, 'failed'])
    await told('reset', {})
    await told('failed', { reason: 'its subscription has ended' })
    await row('d', 4)
    expect([values(), orders.state]).toEqual([{}, 'failed'])
    const shown = orders.rows
    orders.close()
    await row('d', 4)
    expect(orders.rows).toBe(shown)
  })
})
