// The shard's side of presence: which of its connections are present where, and which channels are told. Never waits on
// the way of an event: who is present is asked and told beside it.
import type { PresenceDiff, PresenceEnter, Presences } from '../../../../rpc/presence.ts'
import type { Channel } from './channel.ts'
import type { PhoenixConnection } from './phoenix-connection.ts'

export interface PresenceTrackerDeps {
  readonly shard: number
  readonly enter: (topic: string, entering: PresenceEnter) => Promise<void>
  readonly leave: (topic: string, connectionId: string, atOnce: boolean) => Promise<void>
  readonly watch: (topic: string, shard: number) => Promise<Presences>
  /** Keeps the object up until it is done; failures are logged. */
  readonly background: (work: Promise<unknown>) => void
  readonly now: () => number
}

export class PresenceTracker {
  readonly #deps: PresenceTrackerDeps
  /** Topic → who has joined it here. */
  readonly #listeners = new Map<string, Set<PhoenixConnection>>()

  constructor(deps: PresenceTrackerDeps) {
    this.#deps = deps
  }

  /** Tells the channel who is there, and the others that its user is. */
  joined(connection: PhoenixConnection, channel: Channel): void {
    if (!channel.hasPresence) return
    this.listen(connection, channel.topic)
    this.#deps.background(this.#introduce(connection, channel))
  }

  /** As `joined`, for a connection that was there before the object slept. */
  listen(connection: PhoenixConnection, topic: string): void {
    const listeners = this.#listeners.get(topic) ?? new Set()
    this.#listeners.set(topic, listeners.add(connection))
  }

  /** `atOnce`: the client said so. */
  left(connection: PhoenixConnection, channel: Channel, atOnce: boolean): void {
    const listeners = this.#listeners.get(channel.topic)
    listeners?.delete(connection)
    if (listeners?.size === 0) this.#listeners.delete(channel.topic)
    if (channel.hasPresence) this.leave(connection.joiner.connectionId, topicsOf(connection, channel), atOnce)
  }

  leave(connectionId: string, topics: readonly string[], atOnce: boolean): void {
    for (const topic of topics) this.#deps.background(this.#deps.leave(topic, connectionId, atOnce))
  }

  /** From the topic. False: nobody here listens any more. */
  changed(topic: string, diff: PresenceDiff): boolean {
    const listeners = this.#listeners.get(topic)
    for (const connection of listeners ?? []) {
      const channel = connection.channels.get(topic)
      if (channel !== undefined) connection.notify(channel, 'presence_diff', diff)
    }
    return listeners !== undefined
  }

  async #introduce(connection: PhoenixConnection, channel: Channel): Promise<void> {
    const { enter, now, shard, watch } = this.#deps
    const { connectionId, hello, principal } = connection.joiner
    // Watched before it enters: the diff of its own entrance comes after the state, or is part of it.
    const presences = await watch(channel.topic, shard)
    if (connection.channels.get(channel.topic) !== channel) return
    connection.notify(channel, 'presence_state', presences)
    if (principal.user === null) return
    const entering = { shard, connectionId, name: principal.user, meta: { ...hello.meta, time: now() } }
    await Promise.all(topicsOf(connection, channel).map((topic) => enter(topic, entering)))
    // It may have gone while it entered.
    if (connection.channels.get(channel.topic) !== channel)
      this.leave(connectionId, topicsOf(connection, channel), false)
  }
}

/** Where a channel makes its user present: a user's in the user's roles too, a role's nowhere: its members are. */
function topicsOf({ joiner }: Pick<PhoenixConnection, 'joiner'>, { topic, user }: Channel): readonly string[] {
  if (user === null) return []
  const isOwn = user === joiner.principal.user
  return isOwn ? [topic, ...joiner.hello.roles.map((role) => `role:${role}`)] : [topic]
}
