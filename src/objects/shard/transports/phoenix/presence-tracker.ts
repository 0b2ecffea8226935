// The shard's side of presence: in which topics its connections are present, and which channels get changes. Calls to
// presence topics run in the background: the delivery of an event never waits for them.
import { stringifyCloneable } from '../../../../core/identity/cloneable-claims.ts'
import { presenceStub, type PresenceDiff, type Presences } from '../../../../rpc/presence.ts'
import type { ShardContext } from '../../shard-context.ts'
import type { Channel } from './channel.ts'
import type { PhoenixConnection } from './phoenix-connection.ts'
import { PresenceCopy } from './presence-copy.ts'

export class PresenceTracker {
  readonly #context: ShardContext
  /** Topic → connections that have joined it here. */
  readonly #listeners = new Map<string, Set<PhoenixConnection>>()
  /** Topic → its copy, once a connection of this shard has joined since the object was started. */
  readonly #copies = new Map<string, Promise<PresenceCopy>>()
  /** Topic → diffs that came while its copy is being fetched. */
  readonly #early = new Map<string, (readonly [diff: PresenceDiff, version: number])[]>()

  constructor(context: ShardContext) {
    this.#context = context
  }

  /** Tells the channel who is present, and the others that its user is. */
  joined(connection: PhoenixConnection, channel: Channel): void {
    if (!channel.hasPresence) return
    this.listen(connection, channel.topic)
    this.#inBackground(this.#introduce(connection, channel))
  }

  /** Like `joined`, for a connection that was present before the object lost its memory. */
  listen(connection: PhoenixConnection, topic: string): void {
    const listeners = this.#listeners.get(topic) ?? new Set()
    this.#listeners.set(topic, listeners.add(connection))
  }

  /** `isDeliberate`: the client said that it leaves; otherwise it was lost and may come back. */
  left(connection: PhoenixConnection, channel: Channel, isDeliberate: boolean): void {
    const listeners = this.#listeners.get(channel.topic)
    listeners?.delete(connection)
    if (listeners?.size === 0) {
      this.#listeners.delete(channel.topic)
      this.#copies.delete(channel.topic)
    }
    if (channel.hasPresence) this.#leave(connection, channel, isDeliberate)
  }

  /** Passes on a change of a presence topic. Returns false if no connection here has joined it. */
  changed(topic: string, diff: PresenceDiff, version: number): boolean {
    const listeners = this.#listeners.get(topic)
    const json = stringifyCloneable(diff)
    for (const connection of listeners ?? []) {
      const channel = connection.channel(topic)
      if (channel !== undefined) connection.notifyJson(channel, 'presence_diff', json)
    }
    const early = this.#early.get(topic)
    if (early === undefined) this.#applyLater(topic, diff, version)
    else early.push([diff, version])
    return listeners !== undefined
  }

  /** A copy that has missed a diff is fetched again by the next member. */
  #applyLater(topic: string, diff: PresenceDiff, version: number): void {
    const copy = this.#copies.get(topic)
    if (copy !== undefined) this.#inBackground(this.#apply(topic, copy, diff, version))
  }

  async #apply(topic: string, copy: Promise<PresenceCopy>, diff: PresenceDiff, version: number): Promise<void> {
    const isComplete = (await copy).apply(diff, version)
    if (!isComplete && this.#copies.get(topic) === copy) this.#copies.delete(topic)
  }

  async #introduce(connection: PhoenixConnection, channel: Channel): Promise<void> {
    const { env, now, shard } = this.#context
    const { id, owner, phoenix } = connection.state
    // Watched before it enters: the diff of its own entrance comes after the state, or is part of it.
    const copy = await this.#copyOf(channel.topic)
    if (connection.channel(channel.topic) !== channel) return
    connection.sendPages(channel, copy.pages())
    if (owner.user === null) return
    const entering = { shard, connectionId: id, name: owner.user, meta: { ...phoenix?.meta, time: now() } }
    const topics = presentIn(connection, channel)
    await Promise.all(topics.map(async (topic) => presenceStub(env, topic).enter(entering)))
    // It may have gone while it entered.
    if (connection.channel(channel.topic) !== channel) this.#leave(connection, channel, false)
  }

  #copyOf(topic: string): Promise<PresenceCopy> {
    const existing = this.#copies.get(topic)
    if (existing !== undefined) return existing
    const fetched = this.#fetchCopy(topic)
    this.#copies.set(topic, fetched)
    void fetched.catch(() => this.#copies.delete(topic))
    return fetched
  }

  async #fetchCopy(topic: string): Promise<PresenceCopy> {
    const early: (readonly [diff: PresenceDiff, version: number])[] = []
    this.#early.set(topic, early)
    try {
      const copy = new PresenceCopy(await this.#watch(topic))
      for (const [diff, version] of early) copy.apply(diff, version)
      return copy
    } finally {
      this.#early.delete(topic)
    }
  }

  async #watch(topic: string): Promise<Presences> {
    return presenceStub(this.#context.env, topic).watch(this.#context.shard)
  }

  #leave(connection: PhoenixConnection, channel: Channel, isDeliberate: boolean): void {
    for (const topic of presentIn(connection, channel)) {
      const stub = presenceStub(this.#context.env, topic)
      this.#inBackground(stub.leave(connection.state.id, isDeliberate))
    }
  }

  #inBackground(work: Promise<unknown>): void {
    this.#context.background(work.catch((error: unknown) => console.warn('presence not told', error)))
  }
}

/** The topics in which a channel makes its user present: a user's own channel in the user's roles too, a role's in none. */
function presentIn({ state }: PhoenixConnection, { topic, user }: Channel): readonly string[] {
  if (user === null) return []
  const roles = state.phoenix?.roles ?? []
  return user === state.owner.user ? [topic, ...roles.map((role) => `role:${role}`)] : [topic]
}
