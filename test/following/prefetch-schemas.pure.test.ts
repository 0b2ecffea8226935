import { expect, it } from 'vitest'
import type { LogRecord } from '../../src/core/events/kafka-record.ts'
import { prefetchSchemas } from '../../src/following/prefetch-schemas.ts'
import { SchemaCache } from '../../src/schema-registry/schema-cache.ts'
import { writeFrame } from '../../src/schema-registry/wire-format.ts'

function makeCache() {
  const asked: number[] = []
  const byId = async (id: number) => {
    asked.push(id)
    return { ok: true, value: { id, type: 'JSON', text: '{}', descriptor: null, references: [] } } as const
  }
  return { asked, cache: new SchemaCache({ client: { byId }, nowMs: () => 0, sleep: async () => undefined }) }
}

const recordOf = (offset: number, value: Uint8Array): LogRecord => ({
  topic: 't',
  partition: 0,
  offset,
  timestampMs: 0,
  key: null,
  headers: [],
  value,
})
const plain = (offset: number) => recordOf(offset, new TextEncoder().encode('{}'))
const framed = (offset: number, id: number) => recordOf(offset, writeFrame(id, new Uint8Array()))

it('each schema is asked for once a batch, and none for records without', async () => {
  const { asked, cache } = makeCache()
  const records = [plain(5), framed(6, 1), framed(7, 2), framed(8, 1)]
  const prepared = await prefetchSchemas(cache, { records, next: 20 }, false)
  expect([prepared.records, prepared.next, [...(prepared.schemas?.keys() ?? [])]]).toEqual([records, 20, [1, 2]])
  expect(asked).toEqual([1, 2])
})

it('records that name more new schemas than a batch may ask for come with the next fetch', async () => {
  const { asked, cache } = makeCache()
  const records = Array.from({ length: 40 }, (_, n) => framed(n * 2, n))
  const first = await prefetchSchemas(cache, { records, next: 99 }, false)
  expect([first.records.length, first.next, first.schemas?.size]).toEqual([16, 32, 16])
  const rest = records.filter(({ offset }) => offset >= first.next)
  const second = await prefetchSchemas(cache, { records: [...records.slice(0, 3), ...rest], next: 99 }, false)
  expect([second.records.length, second.schemas?.size, asked.length]).toEqual([19, 19, 32])
  const third = await prefetchSchemas(cache, { records: records.slice(32), next: 99 }, false)
  expect([third.records.length, third.next]).toEqual([8, 99])
})

it('without a registry all records are ready', async () => {
  const records = [framed(1, 1)]
  expect(await prefetchSchemas(null, { records, next: 2 }, true)).toEqual({ records, next: 2, schemas: null })
})
