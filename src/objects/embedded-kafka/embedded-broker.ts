// EmbeddedBroker: the Durable Object of the embedded log's metadata: topics, and consumer groups for clients of the REST
// endpoint. Only the first produce or fetch of a topic in an isolate waits for it. Called through rpc/embedded-kafka.ts.
import { DurableObject } from 'cloudflare:workers'
import { configOf } from '../../config/parse-config.ts'
import { ConsumerGroups, type Assigned, type GroupListing, type Membership } from './consumer-groups.ts'
import type { LogPosition, TopicPartition } from '../../core/events/kafka-record.ts'

export class EmbeddedBroker extends DurableObject<Env> {
  readonly #partitions = configOf(this.env).kafka.embedded.partitions
  readonly #sql = this.ctx.storage.sql
  readonly #groups = new ConsumerGroups(this.#sql)

  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env)
    this.#sql.exec(
      'CREATE TABLE IF NOT EXISTS topics (name TEXT PRIMARY KEY, partitions INTEGER NOT NULL) WITHOUT ROWID',
    )
  }

  /** How many partitions the topic has; it is made with the configured number when it is first asked for. */
  ensureTopic(name: string): number {
    this.#sql.exec('INSERT OR IGNORE INTO topics VALUES (?, ?)', name, this.#partitions)
    return this.#sql.exec<{ partitions: number }>('SELECT partitions FROM topics WHERE name = ?', name).one().partitions
  }

  topics(): Record<string, number> {
    const rows = this.#sql.exec<{ name: string; partitions: number }>(
      'SELECT name, partitions FROM topics ORDER BY name',
    )
    return Object.fromEntries(rows.toArray().map(({ name, partitions }) => [name, partitions]))
  }

  /** Joins the group if need be, and answers what the instance may read, and from where (null: nothing known). */
  join(membership: Membership): readonly Assigned[] {
    const partitions = membership.topics.flatMap((topic) =>
      Array.from({ length: this.ensureTopic(topic) }, (_, partition): TopicPartition => ({ topic, partition })),
    )
    return this.#groups.join(membership, partitions, Date.now())
  }

  /** Where the group begins in partitions that it has no offset in. */
  begin(group: string, positions: readonly LogPosition[]): void {
    this.#groups.begin(group, positions)
  }

  /** Where the instance will read on from: what it has been given before, not yet committed. */
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
