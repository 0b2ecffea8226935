// A position is proven only by the shard that has given it, as it was given.
import { expect, it } from 'vitest'
import { PositionProofs } from '../../../../src/objects/shard/positions/position-proofs.ts'
import { createTestStorage } from '../../../support/sql-storage.ts'

let made = 0
const newKey = (bytes: number) => String((made += 1)).padStart(2 * bytes, '0')
const open = (storage = createTestStorage()) => new PositionProofs(storage.sql, newKey)

it('proves since when its client has been there, also after a restart', () => {
  const storage = createTestStorage()
  const proofs = open(storage)
  const signed = [proofs.sign('2.a-44'), proofs.sign('2.a-44-40'), proofs.sign('2.a-44', 50)]
  for (const known of [proofs, open(storage)]) expect(signed.map((text) => known.sinceOf(text))).toEqual([44, 40, 50])
  expect(proofs.sinceOf(`${signed[0]}*!mark`)).toBe(44)
})

it('does not prove what was changed, left out, or given by another shard', () => {
  const proofs = open()
  const [signed, since] = [proofs.sign('2.a-44'), proofs.sign('2.a-44', 50)]
  const changed = [
    '2.a-44',
    signed.replace('-44', '-43'),
    signed.replace('-44', '-44-3'),
    signed.replace('2.a', '2.b'),
    `${signed}.9`,
    since.replace('.50', '.49'),
    since.slice(0, -3),
    open().sign('2.a-44'),
  ]
  for (const text of changed) expect([text, proofs.sinceOf(text)]).toEqual([text, undefined])
})
