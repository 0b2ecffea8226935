// The shard's side of presence: in which topics its connections are present, and which channels get changes. Calls to
// presence topics run in the background: the delivery of an event never waits for them.
import { logIncident } from '../../../../telemetry/incident-log.ts'
import { stringifyCloneable } from '../../../../core/identity/cloneable-claims.ts'
import { presenceStub, type PresenceDiff } from '../../../../rpc/presence.ts'
import type { ShardContext } from '../../shard-context.ts'
import { EVENTS, mayBePresent, type Channel } from './channel.ts'
import type { PhoenixConnection } from './phoenix-connection.ts'
import { PresenceCopies } from './presence-copies.ts'

/** Roles of one token in which its user is present. */
const MAX_PRESENT_ROLES = 50

export class PresenceTracker {
  readonly #context: ShardContext
  /** Topic → connections that have joined it here. */
  readonly #listeners = new Map<string, Set<PhoenixConnection>>()
  readonly #copies: PresenceCopies

  constructor(context: ShardContext) {
    this.#context = context
    this.#copies = new PresenceCopies({
      watch: async (topic, askedAtMs) => presenceStub(context.env, topic).watch(context.shard, askedAtMs),
      unwatch: (topic, askedAtMs) =>
        this.#inBackground(presenceStub(context.env, topic).unwatch(context.shard, askedAtMs)),
      nowMs: context.now,
    })
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
      const droppedAtMs = this.#copies.keep(channel.topic)
      if (droppedAtMs !== undefined) this.#context.wakeBy(droppedAtMs)
    }
    if (channel.hasPresence) this.#leave(connection, channel, isDeliberate)
  }

  /** Passes on a change of a presence topic. Returns false if this shard needs no more of them. */
  changed(topic: string, diff: PresenceDiff, version: number): boolean {
    const listeners = this.#listeners.get(topic)
    if (listeners !== undefined) this.#tell(listeners, topic, diff)
    this.#inBackground(this.#copies.apply(topic, diff, version))
    return listeners !== undefined || this.#copies.has(topic)
  }

  /** Returns when it has to be called again, or null. */
  sweep(nowMs: number): number | null {
    return this.#copies.sweep(nowMs)
  }

  #tell(listeners: ReadonlySet<PhoenixConnection>, topic: string, diff: PresenceDiff): void {
    const json = stringifyCloneable(diff)
    for (const connection of listeners) {
      const channel = connection.channel(topic)
      if (channel !== undefined) connection.notifyJson(channel, 'presence_diff', json)
    }
  }

  async #introduce(connection: PhoenixConnection, channel: Channel): Promise<void> {
    const { env, now, shard } = this.#context
    const { id, owner, phoenix } = connection.state
    // Watched before it enters: the diff of its own entrance comes after the state, or is part of it.
    const copy = await this.#copies.of(channel.topic)
    if (connection.channel(channel.topic) !== channel) return
    connection.sendPages(channel, copy.pages())
    if (owner.user === null || !mayBePresent(owner.user)) return
    const entering = { shard, connectionId: id, name: owner.user, meta: { ...phoenix?.meta, time: now() } }
    const topics = presentIn(connection, channel)
    await Promise.all(topics.map(async (topic) => presenceStub(env, topic).enter(entering)))
    // It may have gone while it entered.
    if (connection.channel(channel.topic) !== channel) this.#leave(connection, channel, false)
  }

  #leave(connection: PhoenixConnection, channel: Channel, isDeliberate: boolean): void {
    for (const topic of presentIn(connection, channel)) {
      const stub = presenceStub(this.#context.env, topic)
      this.#inBackground(stub.leave(connection.state.id, isDeliberate))
    }
  }

  #inBackground(work: Promise<unknown>): void {
    this.#context.background(
      work.catch((error: unknown) => logIncident('presence not told', {}, { error: String(error) })),
    )
  }
}

/**
 * The topics in which a channel makes its user present: a user's own channel in the user's roles too, a role's in none. A join
 * makes a call for each.
 */
function presentIn({ state }: PhoenixConnection, { topic, user }: Channel): readonly string[] {
  if (!mayBePresent(state.owner.user)) return []
  if (user === null) return topic.startsWith(EVENTS) ? [topic] : []
  const roles = user === state.owner.user ? (state.phoenix?.roles ?? []) : []
  const shown = [...new Set(roles)].filter(mayBePresent).slice(0, MAX_PRESENT_ROLES)
  return [topic, ...shown.map((role) => `role:${role}`)]
}
