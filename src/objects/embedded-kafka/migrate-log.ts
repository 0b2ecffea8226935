// Takes over a partition of the layout before partitions were followed by themselves: tables `partition` and `segments`. Once
// in a partition's life; offsets stay as they are. The checkpoint comes from the TopicFollower (embedded-follower.ts).
import { migrateSegments, hasTable } from '../../segment-log/migrate-segments.ts'

export function migrateLog(storage: DurableObjectStorage): void {
  const { sql } = storage
  if (!hasTable(sql, 'partition')) return
  storage.transactionSync(() => {
    const head = sql.exec<{ next_offset: number }>('SELECT next_offset FROM partition').one().next_offset
    const { first } = sql.exec<{ first: number | null }>('SELECT MIN(first_offset) AS first FROM segments').one()
    migrateSegments(sql, 'next_offset', { head, floor: first ?? head, state: undefined })
    sql.exec('DROP TABLE partition')
  })
}
