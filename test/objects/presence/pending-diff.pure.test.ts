import { expect, it } from 'vitest'
import { PendingDiff } from '../../../src/objects/presence/pending-diff.ts'

const entry = (name: string, ref: string) => ({ name, meta: { phx_ref: ref } })

it('many changes are one diff, by name', () => {
  const pending = new PendingDiff()
  pending.join(entry('alice', '1'))
  pending.join(entry('alice', '2'))
  pending.leave(entry('bob', '3'))
  expect(pending.take()).toEqual({
    joins: { alice: { metas: [{ phx_ref: '1' }, { phx_ref: '2' }] } },
    leaves: { bob: { metas: [{ phx_ref: '3' }] } },
  })
  expect(pending.isEmpty).toBe(true)
})

it('a connection that joins and leaves between two diffs is in neither', () => {
  const pending = new PendingDiff()
  pending.join(entry('alice', '1'))
  pending.leave(entry('alice', '1'))
  expect([pending.isEmpty, pending.take()]).toEqual([true, { joins: {}, leaves: {} }])
})
