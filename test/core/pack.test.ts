import { expect, it } from 'vitest'
import type { RoutedEvent } from '../../src/core/event.ts'
import { packEvents, unpackEvents } from '../../src/core/pack.ts'

const event = (offset: number, json: string): RoutedEvent => ({
  offset,
  type: `t${offset % 3}`,
  json,
  fields: offset % 2 ? { n: offset, list: ['a', 'ü'] } : {},
  recipients: offset % 3 ? ['alice', 'bob'] : null,
})

it('gives back what was packed, whatever its text', () => {
  const events = ['{}', '{"a":"ü"}', '{"b":"🙂 \\u0000"}', ''].map((json, index) => event(index * 7, json))
  const packs = packEvents(events)
  expect(packs).toMatchObject([{ count: 4, firstOffset: 0, lastOffset: 21 }])
  expect(packs.flatMap((pack) => [...unpackEvents(pack)])).toEqual(events)
})

it('makes packs that a row can hold, in order; an event that is larger has one to itself', () => {
  const sizes = [400_000, 100_000, 1, 600_000, 10]
  const events = sizes.map((size, index) => event(index, 'x'.repeat(size)))
  const packs = packEvents(events)
  expect(packs.map(({ count }) => count)).toEqual([2, 1, 1, 1])
  expect(packs.flatMap((pack) => [...unpackEvents(pack)])).toEqual(events)
})

it('makes no pack of nothing', () => {
  expect(packEvents([])).toEqual([])
})
