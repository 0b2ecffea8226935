// PresenceTopic: the Durable Object that knows the presences of one Phoenix topic on all shards, and which shards get changes.
// The leave of a lost connection is delayed: a connection under the same name replaces it, so that a reconnect, a deploy or a
// crash is not visible to others. Changes are sent as one diff per shard, one call in flight. An object that nobody needs any
// more deletes its storage: topics are named by clients.
import { DurableObject } from 'cloudflare:workers'
import { shardStub } from '../../rpc/shard.ts'
import { toPresences, type PresenceDiff, type PresenceEnter, type Presences } from '../../rpc/presence.ts'
import { logIncident } from '../../telemetry/incident-log.ts'
import { PendingDiff } from './pending-diff.ts'
import { PresentStore } from './present-store.ts'
import { WatcherStore } from './watcher-store.ts'

/** Longer than a client takes to reconnect: the library's first attempts come within some seconds. */
const LEAVE_GRACE_MS = 10_000

interface Stores {
  readonly present: PresentStore
  readonly watchers: WatcherStore
}

export class PresenceTopic extends DurableObject<Env> {
  readonly #topic = this.ctx.id.name ?? ''
  readonly #pending = new PendingDiff()
  /** Undefined: the storage is empty. */
  #stores: Stores | undefined
  /** Settles when all changes so far have been sent. Undefined: nothing is being sent. */
  #sending: Promise<void> | undefined
  /** Grows by one with each diff. It starts at the time, so that shards notice a restart, which may have lost a diff. */
  #version = Date.now()
  /** Shard → version at its last `watch`: what it answers to that diff, or an earlier one, may be older than its `watch`. */
  readonly #watchedAt = new Map<number, number>()

  /** Idempotent. A topic that is full does not show the connection. */
  async enter(entering: PresenceEnter): Promise<void> {
    const { meta, name } = entering
    const entry = { name, meta: { ...meta, phx_ref: crypto.randomUUID() } }
    const entrance = this.#open().present.enter(entering, entry)
    if (entrance === 'full') logIncident('a presence topic is full: a connection is not shown', { topic: this.#topic })
    if (entrance !== 'shown') return
    this.#pending.join(entry)
    this.#send()
  }

  /** `isDeliberate`: the client said that it leaves; otherwise the connection was lost, and may come back. */
  async leave(connectionId: string, isDeliberate: boolean): Promise<void> {
    const leavesAtMs = Date.now() + (isDeliberate ? 0 : LEAVE_GRACE_MS)
    const isDue = this.#open().present.leave(connectionId, leavesAtMs)
    if (isDue && !isDeliberate) return this.#wakeBy(leavesAtMs)
    if (isDue) this.#removeDue()
    await this.#endIfUnused()
  }

  /**
   * Returns the presences. The shard gets changes from now on, until it calls `unwatch`, or answers that none of its connections
   * has joined. `askedAtMs`: by the shard's clock.
   */
  async watch(shard: number, askedAtMs = 0): Promise<Presences> {
    const { present, watchers } = this.#open()
    watchers.add(shard, askedAtMs)
    this.#watchedAt.set(shard, this.#version)
    return toPresences(present.entries())
  }

  /** The shard needs no changes any more, unless it has called `watch` after `askedAtMs`. */
  async unwatch(shard: number, askedAtMs: number): Promise<void> {
    this.#open().watchers.deleteAskedAt(shard, askedAtMs)
    await this.#endIfUnused()
  }

  /** Resolves when every shard has got all changes. For tests. */
  async settled(): Promise<void> {
    await this.#sending
  }

  override async alarm(): Promise<void> {
    this.#removeDue()
    const next = this.#open().present.nextDueMs()
    if (next !== null) await this.#wakeBy(next)
    await this.#endIfUnused()
  }

  #open(): Stores {
    const { sql } = this.ctx.storage
    return (this.#stores ??= { present: new PresentStore(sql), watchers: new WatcherStore(sql) })
  }

  /** While changes are sent, it is asked again when they have been. */
  async #endIfUnused(): Promise<void> {
    const { present, watchers } = this.#open()
    if (this.#sending !== undefined || !present.isEmpty || watchers.shards.length > 0) return
    this.#stores = undefined
    await this.ctx.storage.deleteAll()
  }

  #removeDue(): void {
    for (const entry of this.#open().present.removeDue(Date.now())) this.#pending.leave(entry)
    this.#send()
  }

  #send(): void {
    this.#sending ??= this.#sendPending()
    this.ctx.waitUntil(this.#sending)
  }

  /** Changes during a call are sent with the next diff. */
  async #sendPending(): Promise<void> {
    // `#sending` is set before it is cleared.
    await Promise.resolve()
    try {
      while (!this.#pending.isEmpty) await this.#sendDiff(this.#pending.take())
    } finally {
      this.#sending = undefined
    }
    await this.#endIfUnused()
  }

  /** A shard that is out of reach has lost its connections: they ask again when they rejoin. */
  async #sendDiff(diff: PresenceDiff): Promise<void> {
    this.#version += 1
    const version = this.#version
    const { watchers } = this.#open()
    await Promise.all(
      watchers.shards.map(async (shard) => {
        const listens = await shardStub(this.env, shard)
          .presenceChanged(this.#topic, diff, version)
          .catch((error: unknown) => {
            logIncident('presence not told', {}, { topic: this.#topic, shard, error: String(error) })
            return true
          })
        if (!listens && (this.#watchedAt.get(shard) ?? 0) < version) watchers.delete(shard)
      }),
    )
  }

  async #wakeBy(atMs: number): Promise<void> {
    const set = await this.ctx.storage.getAlarm()
    if (set === null || set > atMs) await this.ctx.storage.setAlarm(atMs)
  }
}
