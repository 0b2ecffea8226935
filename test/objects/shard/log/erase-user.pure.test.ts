// An event that was for the erased user only keeps what others have to be told about its row.
import { expect, it } from 'vitest'
import { decodeHeaders, type EventHeader } from '../../../../src/core/delivery/batch-codec.ts'
import type { RowChange } from '../../../../src/core/events/stored-event.ts'
import { eraseFrom } from '../../../../src/objects/shard/log/erase-user.ts'

/** The row's change after the erasure of alice, to whom its event is addressed. */
function changeAfter(change: RowChange): RowChange | undefined {
  const head: EventHeader = ['order', { tenant: 'a' }, ['alice'], null, 2, 7, change]
  const erased = eraseFrom({ heads: JSON.stringify([head]), body: new TextEncoder().encode('{}') }, 'alice')
  const [left] = decodeHeaders(erased?.heads ?? '[]')
  expect(left?.slice(0, 6)).toEqual(['order', {}, [], null, 0, 7])
  return left?.[6]
}

it('keeps the removal for those who saw the row before', () => {
  expect(changeAfter(['k', 0, { tenant: 'b' }, null])).toEqual(['k', 0, { tenant: 'b' }, null])
  expect(changeAfter(['k', 1, {}, ['alice', 'bob']])).toEqual(['k', 1, {}, ['bob']])
})

it('keeps no key that only the erased user knew', () => {
  expect(changeAfter(['k', 0])).toBeUndefined()
  expect(changeAfter(['k', 0, {}, ['alice']])).toBeUndefined()
})
