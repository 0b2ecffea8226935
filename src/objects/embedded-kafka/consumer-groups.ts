// Consumer groups of the embedded log: SQL for `members` and `consumer_offsets`. Partitions are assigned in turn to the live
// instances, in the order of their names; an instance is live while it polls within its session timeout. The positions of
// instances are in memory only: if they are lost, records that were not committed are delivered again.
import { partitionName, type LogPosition, type TopicPartition } from '../../core/events/kafka-record.ts'

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
  start: number | null
  committed: number | null
}

export class ConsumerGroups {
  readonly #sql: SqlStorage
  /** Group → the positions from which its instances continue. */
  readonly #positions = new Map<string, Map<string, LogPosition>>()

  constructor(sql: SqlStorage) {
    this.#sql = sql
    sql.exec(`
      CREATE TABLE IF NOT EXISTS members (
        consumer_group TEXT NOT NULL, instance TEXT NOT NULL, topics TEXT NOT NULL, expires_ms INTEGER NOT NULL,
        PRIMARY KEY (consumer_group, instance)
      ) WITHOUT ROWID;
      CREATE TABLE IF NOT EXISTS consumer_offsets (
        consumer_group TEXT NOT NULL, topic TEXT NOT NULL, partition INTEGER NOT NULL, start INTEGER, committed INTEGER,
        PRIMARY KEY (consumer_group, topic, partition)
      ) WITHOUT ROWID;
    `)
  }

  join(member: Membership, partitions: readonly TopicPartition[], nowMs: number): readonly Assigned[] {
    const changed = this.#expire(member.group, nowMs) + this.#renew(member, nowMs)
    // Records that another instance got and never committed are delivered again: at least once, as in Kafka.
    if (changed > 0) this.#positions.delete(member.group)
    const mine = partitions.filter(({ topic }, index) => {
      const readers = this.#members(member.group).filter((one) => (JSON.parse(one.topics) as string[]).includes(topic))
      return readers[index % readers.length]?.instance === member.instance
    })
    return mine.map((at) => ({ ...at, offset: this.#position(member.group, at) }))
  }

  /** Stores where a group without an offset begins, so that "latest" does not skip records later. */
  begin(group: string, positions: readonly LogPosition[]): void {
    for (const { topic, partition, offset } of positions) {
      this.#sql.exec(
        'INSERT OR IGNORE INTO consumer_offsets VALUES (?, ?, ?, ?, NULL)',
        group,
        topic,
        partition,
        offset,
      )
    }
  }

  advance(group: string, positions: readonly LogPosition[]): void {
    const known = this.#positions.get(group) ?? new Map<string, LogPosition>()
    this.#positions.set(group, known)
    for (const position of positions) known.set(partitionName(position), position)
  }

  /** Commits the positions. Null commits everything that has been delivered. */
  commit(group: string, positions: readonly LogPosition[] | null): void {
    for (const { topic, partition, offset } of positions ?? this.#positions.get(group)?.values() ?? []) {
      this.#sql.exec(
        `INSERT INTO consumer_offsets VALUES (?, ?, ?, NULL, ?)
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

  /** Returns the number of added instances: 1 if the instance is new, else 0. */
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

  #position(group: string, at: TopicPartition): number | null {
    const given = this.#positions.get(group)?.get(partitionName(at))
    if (given !== undefined) return given.offset
    const row = this.#offsets(group, at)
    return row?.committed ?? row?.start ?? null
  }

  #offsets(group: string, { topic, partition }: TopicPartition): OffsetRow | undefined {
    return this.#sql
      .exec<OffsetRow>(
        'SELECT topic, partition, start, committed FROM consumer_offsets WHERE consumer_group = ? AND topic = ? AND partition = ?',
        group,
        topic,
        partition,
      )
      .toArray()[0]
  }
}
