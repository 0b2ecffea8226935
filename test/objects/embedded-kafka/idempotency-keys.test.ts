// What the embedded log stores once: exactly, across evictions and undone transactions, and for how long.
import { env } from 'cloudflare:workers'
import { evictDurableObject, runInDurableObject } from 'cloudflare:test'
import { describe, expect, it } from 'vitest'
import { createEmbeddedKafkaLog } from '../../../src/kafka/embedded-adapter.ts'
import type { DedupeWindow } from '../../../src/objects/embedded-kafka/idempotency-keys.ts'
import type { KeyedRecord } from '../../../src/rpc/embedded-kafka.ts'
import { breakLog, mendLog } from '../../support/break-log.ts'
import { PartitionLog } from '../../../src/objects/embedded-kafka/partition-log.ts'

const bytes = (text: string) => new TextEncoder().encode(text)
const text = (value: Uint8Array | null) => new TextDecoder().decode(value ?? new Uint8Array())

function record(key: string | undefined, value = key ?? 'none'): KeyedRecord {
  const plain = { timestampMs: 1, key: null, headers: [], value: bytes(value) }
  return key === undefined ? plain : { ...plain, idempotencyKey: key }
}

const newLog = () => env.EMBEDDED_LOG.getByName(`once-${crypto.randomUUID()}/0`)

async function valuesOf(log: ReturnType<typeof newLog>): Promise<readonly string[]> {
  const fetched = await log.read(0, { maxWaitMs: 0, maxBytes: 10_000_000 })
  return fetched.kind === 'records' ? fetched.records.map(({ value }) => text(value)) : []
}

/** On a partition of its own, with a window of its own. */
async function withPartition<T>(
  window: DedupeWindow,
  work: (open: () => PartitionLog, sql: SqlStorage) => T,
): Promise<T> {
  return runInDurableObject(newLog(), (_instance, { storage }) => {
    const retention = { retentionMs: 60_000, retentionBytes: 1_000_000, dedupe: window }
    return work(() => new PartitionLog(storage, { topic: 't', partition: 0 }, retention), storage.sql)
  })
}

const appendTo = (log: PartitionLog, records: readonly KeyedRecord[], nowMs: number) =>
  log.append([records], nowMs)[0] ?? []

const isDuplicate = (log: PartitionLog, keys: readonly string[], nowMs = 0) =>
  appendTo(
    log,
    keys.map((key) => record(key)),
    nowMs,
  ).map(({ duplicate }) => duplicate)

describe('a record with an idempotency key', () => {
  it('is stored once, and answered by the place it has', async () => {
    const log = newLog()
    expect(await log.appendOnce([record('a'), record('b')])).toEqual([
      { offset: 0, duplicate: false },
      { offset: 1, duplicate: false },
    ])
    expect(await log.appendOnce([record('b'), record('c'), record('a')])).toEqual([
      { offset: 1, duplicate: true },
      { offset: 2, duplicate: false },
      { offset: 0, duplicate: true },
    ])
    expect(await valuesOf(log)).toEqual(['a', 'b', 'c'])
  })

  it('is known after its object was evicted', async () => {
    const log = newLog()
    await log.appendOnce([record('a'), record(undefined, 'x'), record('b')])
    await evictDurableObject(log)
    expect(await log.appendOnce([record('b'), record('a')])).toEqual([
      { offset: 2, duplicate: true },
      { offset: 0, duplicate: true },
    ])
    expect(await valuesOf(log)).toEqual(['a', 'x', 'b'])
  })

  it('stands among records without one, which are stored each time', async () => {
    const log = newLog()
    await log.append([record(undefined, 'x')])
    await log.appendOnce([record(undefined, 'x'), record('a'), record(undefined, 'x')])
    await log.append([record(undefined, 'x')])
    expect((await log.appendOnce([record('a')]))[0]).toEqual({ offset: 2, duplicate: true })
    expect(await valuesOf(log)).toEqual(['x', 'x', 'a', 'x', 'x'])
  })

  it('is known longer than the log keeps the record', async () => {
    const places = await runInDurableObject(newLog(), (_instance, { storage }) => {
      const dedupe = { windowMs: 10_000, maxKeys: 100 }
      const log = new PartitionLog(
        storage,
        { topic: 't', partition: 0 },
        { retentionMs: 10, retentionBytes: 1, dedupe },
      )
      appendTo(log, [record('a')], 0)
      appendTo(log, [record('b')], 1_000)
      return [log.offsets(), appendTo(log, [record('a')], 1_000)]
    })
    expect(places).toEqual([{ earliest: 1, latest: 2 }, [{ offset: 0, duplicate: true }]])
  })
})

describe('the window of idempotency keys', () => {
  it('ends after its time', async () => {
    const seen = await withPartition({ windowMs: 1_000, maxKeys: 100 }, (open) => {
      const log = open()
      appendTo(log, [record('a')], 0)
      return [isDuplicate(log, ['a'], 1_000), isDuplicate(log, ['a'], 1_001)]
    })
    expect(seen).toEqual([[true], [false]])
  })

  it('holds so many keys, and forgets the oldest append first', async () => {
    const seen = await withPartition({ windowMs: 1_000, maxKeys: 4 }, (open, sql) => {
      const log = open()
      for (const keys of [['a', 'b'], ['c', 'd'], ['e']])
        appendTo(
          log,
          keys.map((key) => record(key)),
          0,
        )
      const kept = sql.exec<{ keys: string }>('SELECT keys FROM idempotency_keys ORDER BY first_offset').toArray()
      return [kept.map(({ keys }) => keys), isDuplicate(log, ['c', 'd', 'e']), isDuplicate(open(), ['c', 'e', 'a'])]
    })
    expect(seen).toEqual([
      ['["c","d"]', '["e"]'],
      [true, true, true],
      [true, true, false],
    ])
  })

  it('goes back with a transaction that is undone, as the records do', async () => {
    const seen = await withPartition({ windowMs: 1_000, maxKeys: 1 }, (open, sql) => {
      const log = open()
      appendTo(log, [record('a')], 0)
      // The last step: by then the key is in memory, and would be taken for one that is stored.
      sql.exec("CREATE TRIGGER crash BEFORE DELETE ON idempotency_keys BEGIN SELECT RAISE(ABORT, 'crash'); END")
      expect(() => appendTo(log, [record('b')], 0)).toThrow('crash')
      sql.exec('DROP TRIGGER crash')
      return [log.offsets(), isDuplicate(log, ['a', 'b'])]
    })
    expect(seen).toEqual([{ earliest: 0, latest: 1 }, [true, false]])
  })

  it('costs a log without keys nothing: no row', async () => {
    const log = newLog()
    await log.append([record(undefined), record(undefined)])
    const count = await runInDurableObject(log, (_instance, { storage }) =>
      storage.sql.exec<{ n: number }>('SELECT COUNT(*) AS n FROM idempotency_keys').one(),
    )
    expect(count).toEqual({ n: 0 })
  })
})

describe('a produce over several partitions', () => {
  it('that failed in some of them is produced again: nothing is lost, nothing is there twice', async () => {
    const topic = `parts-${crypto.randomUUID()}`
    const log = createEmbeddedKafkaLog(env, { nowMs: () => 1, random: () => 0, keepAlive: () => undefined })
    const records = [0, 1, 2, 3].flatMap((partition) =>
      ['a', 'b'].map((n) => ({
        topic,
        partition,
        value: bytes(`${partition}${n}`),
        idempotencyKey: `${partition}${n}`,
      })),
    )
    const broken = env.EMBEDDED_LOG.getByName(`${topic}/2`)
    await breakLog(broken)
    await expect(log.produce(records)).rejects.toThrow(/broken log|segments_/)
    await mendLog(broken)
    await evictDurableObject(env.EMBEDDED_LOG.getByName(`${topic}/1`))
    const places = await log.produce(records.slice(3))
    expect(places.map(({ duplicate = false }) => duplicate)).toEqual([true, false, false, true, true])
    for (const partition of [0, 1, 2, 3]) {
      const stored = await valuesOf(env.EMBEDDED_LOG.getByName(`${topic}/${partition}`))
      expect(stored).toEqual([`${partition}a`, `${partition}b`])
    }
  })
})
