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

it('a diff has a limited size; the rest is in the next ones, and nothing twice', () => {
  const pending = new PendingDiff()
  for (let n = 0; n < 1_000; n += 1) pending.join({ name: `u${n}`, meta: { phx_ref: `j${n}`, x: 'x'.repeat(1_000) } })
  for (let n = 0; n < 100; n += 1) pending.leave(entry(`gone${n}`, `l${n}`))
  const diffs = []
  while (!pending.isEmpty) diffs.push(pending.take())
  expect(Math.max(...diffs.map((diff) => JSON.stringify(diff).length))).toBeLessThan(70_000)
  expect(diffs.flatMap(({ joins }) => Object.keys(joins))).toEqual(Array.from({ length: 1_000 }, (_, n) => `u${n}`))
  expect(diffs.flatMap(({ leaves }) => Object.keys(leaves))).toEqual(Array.from({ length: 100 }, (_, n) => `gone${n}`))
})
