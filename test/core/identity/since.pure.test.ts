import { expect, it } from 'vitest'
import { parseSince } from '../../../src/core/identity/since.ts'

it.each([
  ['2026-11-27T08:00:00Z', '2026-11-27T08:00:00.000Z'],
  ['2026-11-27t08:00:00.5z', '2026-11-27T08:00:00.500Z'],
  ['2024-02-29T23:59:59+02:00', '2024-02-29T21:59:59.000Z'],
  ['1969-12-31T00:00:00Z', '1970-01-01T00:00:00.000Z'],
])('%s is a time', (text, time) => {
  expect(parseSince(text)).toEqual({ ok: true, value: Date.parse(time) })
})

it.each([
  '2026-02-30T08:00:00Z',
  '2026-02-29T08:00:00Z',
  '2026-11-31T08:00:00Z',
  '2026-13-01T08:00:00Z',
  '2026-11-27T24:00:00Z',
  '2026-11-27T08:00:00',
  '2026-11-27 08:00:00Z',
  '2026-11-27T08:00:00 02:00',
  '2026-11-27',
  '1795852800000',
  '',
])('%s is none', (text) => {
  expect(parseSince(text)).toMatchObject({ ok: false, reason: expect.stringContaining('RFC 3339') })
})
