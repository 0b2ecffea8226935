import { expect, it } from 'vitest'
import type { StoredEvent } from '../../../src/core/events/stored-event.ts'
import { groupByConnection } from '../../../src/core/delivery/delivery-groups.ts'

const event = (seq: number): StoredEvent => ({
  seq,
  type: 't',
  json: 'x'.repeat(seq),
  fields: {},
  recipients: null,
  connectionId: null,
})

it('gives connections with the same events one group, encoded once, in log order', () => {
  const who: Record<number, readonly string[]> = { 1: ['a', 'b'], 2: ['a', 'b', 'c'], 3: ['c'], 4: ['a', 'b'] }
  const groups = groupByConnection([1, 2, 3, 4].map(event), ({ seq }) => new Set(who[seq]))
  let encodings = 0
  const encode = (connection: string) =>
    groups.get(connection)?.encode('test', (events) => {
      encodings += 1
      return events.map(({ seq }) => seq).join()
    })
  expect(['a', 'b', 'c'].map(encode)).toEqual(['1,2,4', '1,2,4', '2,3'])
  expect(encodings).toBe(2)
  expect(groups.get('a')).toBe(groups.get('b'))
  expect(groups.get('a')?.size).toBe(7)
})
