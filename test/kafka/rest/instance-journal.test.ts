// Notes of instances: what may live is known until it is removed, also after a restart, and not without limit.
import { env } from 'cloudflare:workers'
import { runInDurableObject } from 'cloudflare:test'
import { describe, expect, it } from 'vitest'
import {
  createInstanceJournal,
  createMemoryJournal,
  type InstanceJournal,
} from '../../../src/kafka/rest/instance-journal.ts'

const instance = (n: number) => ({ url: `https://proxy/consumers/rigel/instances/${n}`, cookie: undefined })
const several = (count: number, from = 0) => Array.from({ length: count }, (_, n) => instance(from + n))

function inStorage<T>(act: (sql: SqlStorage) => T): Promise<T> {
  const stub = env.TOPIC_FOLLOWER.getByName(`${crypto.randomUUID()}/0`)
  return runInDurableObject(stub, (_, state) => act(state.storage.sql))
}

const KINDS = [
  ['that pass with the reader', async (act: (notes: InstanceJournal) => void) => act(createMemoryJournal())],
  [
    'in storage',
    (act: (notes: InstanceJournal) => void) =>
      inStorage((sql) => {
        act(createInstanceJournal(sql))
      }),
  ],
] as const

describe.each(KINDS)('notes %s', (_, withNotes) => {
  it('are read with their cookies, the oldest first, until they are removed', () =>
    withNotes((notes) => {
      const kept = { ...instance(1), cookie: 'proxy=1' }
      for (const one of [instance(2), kept, instance(0)]) notes.add(one)
      expect(notes.read()).toEqual([instance(2), kept, instance(0)])
      notes.remove(instance(2))
      expect(notes.read()).toEqual([kept, instance(0)])
    }))

  it('have where a partition began when that was last said, and 0 before', () =>
    withNotes((notes) => {
      expect(notes.start('orders/0')).toBe(0)
      notes.setStart('orders/0', 5)
      notes.setStart('orders/0', 7)
      expect([notes.start('orders/0'), notes.start('orders/1')]).toEqual([7, 0])
    }))

  it('are sixteen at most: the oldest are forgotten', () =>
    withNotes((notes) => {
      for (const one of several(20)) notes.add(one)
      expect(notes.read()).toEqual(several(16, 4))
    }))
})

describe('notes in storage', () => {
  it('are there after a restart, and so is the one of when the partition was the key', async () => {
    const read = await inStorage((sql) => {
      createInstanceJournal(sql)
      sql.exec('INSERT INTO rest_instances VALUES (?, ?, ?)', 'rig/0', instance(7).url, null)
      createInstanceJournal(sql).add(instance(8))
      const before = createInstanceJournal(sql).read()
      createInstanceJournal(sql).remove(instance(7))
      return [before, createInstanceJournal(sql).read()]
    })
    expect(read).toEqual([[instance(7), instance(8)], [instance(8)]])
  })
})
