// The shard's side of presence: in which topics its connections are present, and which channels get changes. Calls to
// presence topics run in the background: the delivery of an event never waits for them.
import { logIncident } from '../../../../../telemetry/incident-log.ts'
import { stringifyCloneable } from '../../../../../core/identity/cloneable-claims.ts'
import { presenceStub, type PresenceDiff } from '../../../../../rpc/presence.ts'
import type { ShardContext } from '../../../shard-context.ts'
import type { Timers } from '../../../timers.ts'
import { EVENTS, mayBePresent, type Channel } from '../channel.ts'
import type { PhoenixConnection } from '../phoenix-connection.ts'
import { PresenceCopies } from './presence-copies.ts'
import { PresenceLeaves } from './presence-leaves.ts'

/** Roles of one token in which its user is present. */
const MAX_PRESENT_ROLES = 50

/** A presence topic that is being moved or replaced is usually back within a second. */
const ATTEMPTS = 5
const RETRY_MS = 1_000

export class PresenceTracker {
  readonly #context: ShardContext
  /** Topic → connections that have joined it here. */
  readonly #listeners = new Map<string, Set<PhoenixConnection>>()
  readonly #copies: PresenceCopies
  readonly #leaves: PresenceLeaves
  readonly #timers: Timers

  constructor(context: ShardContext, timers: Timers) {
    this.#context = context
    this.#timers = timers
    this.#leaves = new PresenceLeaves(context.storage.sql, {
      leave: async (topic, id, isDeliberate) => presenceStub(context.env, topic).leave(id, isDeliberate),
      nowMs: context.now,
      wakeBy: context.wakeBy,
      background: context.background,
    })
    this.#copies = new PresenceCopies({
      watch: async (topic, askedAtMs) => presenceStub(context.env, topic).watch(context.shard, askedAtMs),
      unwatch: (topic, askedAtMs) =>
        this.#inBackground(presenceStub(context.env, topic).unwatch(context.shard, askedAtMs)),
      nowMs: context.now,
    })
  }

  /** Tells the channel who is present, and the others that its user is. */
  joined(connection: PhoenixConnection, channel: Channel): void {
    // The connection may have ended while it was sent the reply to its join.
    if (!channel.hasPresence || connection.channel(channel.topic) !== channel) return
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
    if (channel.hasPresence) this.#leaves.leave(connection.state.id, presentIn(connection, channel), isDeliberate)
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
    const dueMs = [this.#copies.sweep(nowMs), this.#leaves.sweep(nowMs)].filter((due) => due !== null)
    return dueMs.length === 0 ? null : Math.min(...dueMs)
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
    const copy = await this.#whileJoined(connection, channel, () => this.#copies.of(channel.topic))
    if (copy === undefined || connection.channel(channel.topic) !== channel) return
    connection.sendPages(channel, copy.pages())
    if (owner.user === null || !mayBePresent(owner.user)) return
    const entering = { shard, connectionId: id, name: owner.user, meta: { ...phoenix?.meta, time: now() } }
    const topics = presentIn(connection, channel)
    this.#leaves.entering(id, topics, connection.sink.isInMemory)
    const enter = async (topic: string) =>
      this.#whileJoined(connection, channel, async () => presenceStub(env, topic).enter(entering))
    await Promise.all(topics.map(enter))
    // It may have gone while it entered.
    if (connection.channel(channel.topic) !== channel) this.#leaves.leave(id, topics, false)
  }

  /** Tries the call again while it fails. Undefined: the channel was left meanwhile. Throws when it has failed too often. */
  async #whileJoined<T>(
    connection: PhoenixConnection,
    channel: Channel,
    call: () => Promise<T>,
  ): Promise<T | undefined> {
    for (let attempt = 1; connection.channel(channel.topic) === channel; attempt += 1) {
      try {
        return await call()
      } catch (error) {
        if (attempt === ATTEMPTS) throw error
        await new Promise<void>((resolve) => this.#timers.after(RETRY_MS, resolve))
      }
    }
    return undefined
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
