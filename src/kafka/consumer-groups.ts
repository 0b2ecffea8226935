// Consumer groups of the embedded log: SQL for `members` and `group_offsets`. Partitions go round among the instances
// that live, in the order of their names; an instance lives as long as it asks within its session timeout.
import type { LogPosition, TopicPartition } from '../core/log-record.ts'

export interface Membership {
  readonly group: string
  readonly instance: string
  readonly topics: readonly string[]
  readonly sessionTimeoutMs: number
}

/** `offset` null: the group knows none, and the reader's policy decides. */
export interface Assigned extends TopicPartition {
  readonly offset: number | null
}

export interface GroupListing {
  readonly name: string
  readonly instances: readonly { readonly name: string; readonly topics: readonly string[] }[]
}

interface MemberRow extends Record<string, SqlStorageValue> {
  consumer_group: string
  instance: string
  topics: string
  expires_ms: number
}

interface OffsetRow extends Record<string, SqlStorageValue> {
  topic: string
  partition: number
  position: number | null
  committed: number | null
}

export class ConsumerGroups {
  readonly #sql: SqlStorage

  constructor(sql: SqlStorage) {
    this.#sql = sql
    sql.exec(`
      CREATE TABLE IF NOT EXISTS members (
        consumer_group TEXT NOT NULL, instance TEXT NOT NULL, topics TEXT NOT NULL, expires_ms INTEGER NOT NULL,
        PRIMARY KEY (consumer_group, instance)
      ) WITHOUT ROWID;
      CREATE TABLE IF NOT EXISTS group_offsets (
        consumer_group TEXT NOT NULL, topic TEXT NOT NULL, partition INTEGER NOT NULL, position INTEGER, committed INTEGER,
        PRIMARY KEY (consumer_group, topic, partition)
      ) WITHOUT ROWID;
    `)
  }

  join(member: Membership, partitions: readonly TopicPartition[], nowMs: number): readonly Assigned[] {
    const changed = this.#expire(member.group, nowMs) + this.#renew(member, nowMs)
    // What was given to others and never committed is given again: at least once, as in Kafka.
    if (changed > 0)
      this.#sql.exec('UPDATE group_offsets SET position = committed WHERE consumer_group = ?', member.group)
    const mine = partitions.filter(({ topic }, index) => {
      const readers = this.#members(member.group).filter((one) => (JSON.parse(one.topics) as string[]).includes(topic))
      return readers[index % readers.length]?.instance === member.instance
    })
    return mine.map((at) => {
      const row = this.#offsets(member.group, at)
      return { ...at, offset: row?.position ?? row?.committed ?? null }
    })
  }

  advance(group: string, positions: readonly LogPosition[]): void {
    for (const { topic, partition, offset } of positions) {
      this.#sql.exec(
        `INSERT INTO group_offsets VALUES (?, ?, ?, ?, NULL)
         ON CONFLICT DO UPDATE SET position = excluded.position`,
        group,
        topic,
        partition,
        offset,
      )
    }
  }

  commit(group: string, positions: readonly LogPosition[] | null): void {
    if (positions === null) {
      this.#sql.exec(
        'UPDATE group_offsets SET committed = position WHERE consumer_group = ? AND position IS NOT NULL',
        group,
      )
      return
    }
    for (const { topic, partition, offset } of positions) {
      this.#sql.exec(
        `INSERT INTO group_offsets VALUES (?, ?, ?, NULL, ?)
         ON CONFLICT DO UPDATE SET committed = excluded.committed`,
        group,
        topic,
        partition,
        offset,
      )
    }
  }

  committed(group: string, of: readonly TopicPartition[]): readonly (LogPosition | null)[] {
    return of.map((at) => {
      const offset = this.#offsets(group, at)?.committed ?? null
      return offset === null ? null : { topic: at.topic, partition: at.partition, offset }
    })
  }

  list(nowMs: number): readonly GroupListing[] {
    const rows = this.#sql.exec<MemberRow>('SELECT * FROM members WHERE expires_ms > ?', nowMs).toArray()
    return [...Map.groupBy(rows, (row) => row.consumer_group)].map(([name, members]) => ({
      name,
      instances: members.map(({ instance, topics }) => ({ name: instance, topics: JSON.parse(topics) as string[] })),
    }))
  }

  leave(group: string, instance: string): boolean {
    const { rowsWritten } = this.#sql.exec(
      'DELETE FROM members WHERE consumer_group = ? AND instance = ?',
      group,
      instance,
    )
    return rowsWritten > 0
  }

  #expire(group: string, nowMs: number): number {
    return this.#sql.exec('DELETE FROM members WHERE consumer_group = ? AND expires_ms <= ?', group, nowMs).rowsWritten
  }

  /** Answers 1 for an instance that was not there. */
  #renew({ group, instance, topics, sessionTimeoutMs }: Membership, nowMs: number): number {
    const known = this.#members(group).some((member) => member.instance === instance)
    this.#sql.exec(
      'INSERT OR REPLACE INTO members VALUES (?, ?, ?, ?)',
      group,
      instance,
      JSON.stringify(topics),
      nowMs + sessionTimeoutMs,
    )
    return known ? 0 : 1
  }

  #members(group: string): readonly MemberRow[] {
    return this.#sql
      .exec<MemberRow>('SELECT * FROM members WHERE consumer_group = ? ORDER BY instance', group)
      .toArray()
  }

  #offsets(group: string, { topic, partition }: TopicPartition): OffsetRow | undefined {
    return this.#sql
      .exec<OffsetRow>(
        'SELECT topic, partition, position, committed FROM group_offsets WHERE consumer_group = ? AND topic = ? AND partition = ?',
        group,
        topic,
        partition,
      )
      .toArray()[0]
  }
}
