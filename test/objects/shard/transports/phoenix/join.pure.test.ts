// What the payload of a join asks for.
import { expect, it } from 'vitest'
import { parseJoin } from '../../../../../src/objects/shard/transports/phoenix/channel.ts'

it('a join with an empty position, time or list of offsets is one without', () => {
  const empty = { last_event_id: '', since: '', as_of: '' }
  expect(parseJoin(empty)).toMatchObject({ value: { last_event_id: null, sinceMs: undefined, as_of: undefined } })
  expect(parseJoin({ last_event_id: '0.a-1' })).toMatchObject({ value: { last_event_id: '0.a-1' } })
  expect(parseJoin({ last_event_id: 'earliest' })).toMatchObject({ value: { last_event_id: null, sinceMs: 0 } })
})

it('a join has one place to begin at', () => {
  for (const other of [{ since: '2026-11-27T08:00:00Z' }, { last_event_id: 'earliest' }])
    expect(parseJoin({ as_of: 'rig/0@1', ...other })).toMatchObject({ ok: false })
})
