import { expect, it } from 'vitest'
import type { RoutedEvent } from '../../../src/core/events/stored-event.ts'
import { decodeHeaders, encodeBatches, decodePayloads, decodeBatch } from '../../../src/core/delivery/batch-codec.ts'

const encoder = new TextEncoder()

const event = (offset: number, json: string): RoutedEvent => ({
  offset,
  type: `t${offset % 3}`,
  utf8: encoder.encode(json),
  fields: offset % 2 ? { n: offset, list: ['a', 'ü'] } : {},
  recipients: offset % 3 ? ['alice', 'bob'] : null,
})

it('gives back what was packed, whatever its text', () => {
  const events = ['{}', '{"a":"ü"}', '{"b":"🙂 \\u0000"}', ''].map((json, index) => event(index * 7, json))
  const packs = encodeBatches(events)
  expect(packs).toMatchObject([{ count: 4, firstOffset: 0, lastOffset: 21 }])
  expect(packs.flatMap((pack) => [...decodeBatch(pack)])).toEqual(events)
})

it('makes packs that a row can hold, in order; an event that is larger has one to itself', () => {
  const sizes = [500_000, 100_000, 1, 700_000, 10]
  const events = sizes.map((size, index) => event(index, 'x'.repeat(size)))
  const packs = encodeBatches(events)
  expect(packs.map(({ count }) => count)).toEqual([2, 1, 1, 1])
  expect(packs.flatMap((pack) => [...decodeBatch(pack)])).toEqual(events)
})

it('makes one pack of a quarter of a fetch of 2 MiB: a row for each of four shards', () => {
  const events = Array.from({ length: 512 }, (_, index) => event(index, 'x'.repeat(1_024)))
  expect(encodeBatches(events)).toMatchObject([{ count: 512 }])
})

const rowBytes = ({ body, heads }: { readonly body: Uint8Array; readonly heads: string }) =>
  body.length + encoder.encode(heads).length

it.each<[string, Partial<RoutedEvent>]>([
  ['recipients', { recipients: Array.from({ length: 200 }, (_, n) => `a-user-of-this-shard-${n}`) }],
  ['fields past ASCII', { fields: { list: Array.from({ length: 100 }, (_, n) => `${n}${'漢'.repeat(20)}`) } }],
  ['removals of rows', { utf8: new Uint8Array(), recipients: [], row: ['k'.repeat(2_000), 1] }],
])('makes packs that a row can hold of small events with many %s', (_what, more) => {
  const events = Array.from({ length: 1_000 }, (_, offset) => ({ ...event(offset, '{}'), ...more }))
  const packs = encodeBatches(events)
  expect(Math.max(...packs.map(rowBytes))).toBeLessThan(1_900_000)
  expect(packs.length).toBeLessThan(9)
  expect(packs.flatMap((pack) => [...decodeBatch(pack)])).toEqual(events)
})

it('keeps what has one offset in one pack: a shard takes the rest for stored', () => {
  const removals = Array.from({ length: 10 }, () => ({ ...event(1, ''), row: ['k'.repeat(70_000), 1] as const }))
  const events = [event(0, 'x'.repeat(590_000)), ...removals, event(1, 'x'.repeat(20_000)), event(2, 'x')]
  const offsetsOf = encodeBatches(events).map((pack) => [
    ...new Set([...decodeBatch(pack)].map(({ offset }) => offset)),
  ])
  expect(offsetsOf.flat()).toEqual([0, 1, 2])
})

it('makes no pack of nothing', () => {
  expect(encodeBatches([])).toEqual([])
})

it.each([
  ['ASCII', ['{"a":1}', '', '{"b":2}']],
  ['other characters', ['{"a":"ü"}', '{"b":"漢字"}', '', '{"c":"🙂"}', '{}']],
  ['marks of byte order', ['\ufeff{}', '\ufeff\ufeff', '{}']],
])('gives back the texts of a pack of %s', (_what, texts) => {
  const [pack] = encodeBatches(texts.map((json, offset) => event(offset, json)))
  expect(pack && decodePayloads(decodeHeaders(pack.heads), pack.body)).toEqual(texts)
})
