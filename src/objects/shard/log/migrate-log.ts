// Takes over a shard's log of the layout before segment rows said where their events came from: tables `log`, `segments` and
// `seen`. Once in a shard's life; positions, and what was seen, stay as they are.
import { migrateSegments, hasTable } from '../../../segment-log/migrate-segments.ts'
import type { ShardLogState } from './seen.ts'

export function migrateLog(storage: DurableObjectStorage): void {
  const { sql } = storage
  if (!hasTable(sql, 'seen')) return
  storage.transactionSync(() => {
    const { epoch, head, floor } = sql
      .exec<{ epoch: string; head: number; floor: number }>('SELECT epoch, head, floor FROM log')
      .one()
    migrateSegments(sql, 'last_seq', { head, floor, state: JSON.stringify({ epoch, seen: readSeen(sql) }) })
    sql.exec('DROP TABLE log; DROP TABLE seen;')
  })
}

function readSeen(sql: SqlStorage): ShardLogState['seen'] {
  const rows = sql
    .exec<{ topic: string; partition: number; generation: number; next_offset: number }>('SELECT * FROM seen')
    .toArray()
  return Object.fromEntries(
    rows.map(({ topic, partition, generation, next_offset }) => [`${topic}/${partition}`, [generation, next_offset]]),
  )
}
