// EmbeddedBroker: the Durable Object of the embedded log's metadata: topics, and consumer groups for clients of the REST
// endpoint. Only the first produce or fetch of a topic in an isolate waits for it. Called through rpc/embedded-kafka.ts.
import { DurableObject } from 'cloudflare:workers'
import { configOf } from '../../config/parse-config.ts'
import { ConsumerGroups, type Assigned, type GroupListing, type Membership } from './consumer-groups.ts'
import type { LogPosition, TopicPartition } from '../../core/events/kafka-record.ts'
import { StorageProbe } from '../../segment-log/storage-probe.ts'

export class EmbeddedBroker extends DurableObject<Env> {
  readonly #partitions = configOf(this.env).kafka.embedded.partitions
  readonly #sql = this.ctx.storage.sql
  readonly #groups = new ConsumerGroups(this.#sql)
  readonly #probe = new StorageProbe(this.ctx.storage, () => Date.now())

  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env)
    this.#sql.exec(
      'CREATE TABLE IF NOT EXISTS topics (name TEXT PRIMARY KEY, partitions INTEGER NOT NULL) WITHOUT ROWID',
    )
  }

  /**
   * Returns the number of partitions of the topic. The first call creates it, with the configured number. A topic with fewer gets
   * more; one with more keeps them, for they have records.
   */
  ensureTopic(name: string): number {
    const known = this.#sql.exec<{ partitions: number }>('SELECT partitions FROM topics WHERE name = ?', name).toArray()
    const count = Math.max(known[0]?.partitions ?? 0, this.#partitions)
    if (count !== known[0]?.partitions) this.#sql.exec('INSERT OR REPLACE INTO topics VALUES (?, ?)', name, count)
    return count
  }

  /** Rejects if storage takes no writes. */
  checkStorage(): Promise<void> {
    return this.#probe.check()
  }

  topics(): Record<string, number> {
    const rows = this.#sql.exec<{ name: string; partitions: number }>(
      'SELECT name, partitions FROM topics ORDER BY name',
    )
    return Object.fromEntries(rows.toArray().map(({ name, partitions }) => [name, partitions]))
  }

  /** Joins the group if necessary. Returns the partitions of the instance and their positions (null: not known). */
  join(membership: Membership): readonly Assigned[] {
    const partitions = membership.topics.flatMap((topic) =>
      Array.from({ length: this.ensureTopic(topic) }, (_, partition): TopicPartition => ({ topic, partition })),
    )
    return this.#groups.join(membership, partitions, Date.now())
  }

  /** Stores where the group begins in partitions without an offset of the group. */
  begin(group: string, positions: readonly LogPosition[]): void {
    this.#groups.begin(group, positions)
  }

  /** Remembers, in memory, the positions after the records that the instance has got. They are not committed yet. */
  advance(group: string, positions: readonly LogPosition[]): void {
    this.#groups.advance(group, positions)
  }

  /** Commits the positions. Null commits everything that has been delivered. */
  commit(group: string, positions: readonly LogPosition[] | null): void {
    this.#groups.commit(group, positions)
  }

  committed(group: string, of: readonly TopicPartition[]): readonly (LogPosition | null)[] {
    return this.#groups.committed(group, of)
  }

  consumers(): readonly GroupListing[] {
    return this.#groups.list(Date.now())
  }

  /** Removes an instance. Returns false if it does not exist. */
  leave(group: string, instance: string): boolean {
    return this.#groups.leave(group, instance)
  }
}
