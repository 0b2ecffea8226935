// Phoenix Channels of a shard, put together: what the UserShard sees of them.
import type { ConnectRequest } from '../../../../core/identity/principal.ts'
import type { PresenceDiff } from '../../../../rpc/presence.ts'
import type { Opening } from '../../connection-state.ts'
import type { PollResult } from './outbox.ts'
import { PhoenixHub, type PhoenixHubDeps } from './phoenix-hub.ts'
import { PhoenixSessions } from './phoenix-longpoll.ts'
import { PhoenixSockets, type PhoenixSocketsDeps } from './phoenix-socket.ts'
import { ChannelStore } from './channel-store.ts'
import { PresenceTracker, type PresenceTrackerDeps } from './presence-tracker.ts'

export type PhoenixDeps = Omit<PhoenixHubDeps, 'desk'> &
  Omit<PhoenixSocketsDeps, 'desk' | 'hub' | 'store' | 'history'> & {
    readonly sql: SqlStorage
    readonly presence: PresenceTrackerDeps
    /** What may wait for a client that does not ask. */
    readonly waitingChars: number
    /** Asks for the alarm, at this moment at the latest. */
    readonly wakeBy: (atMs: number) => void
  }

export class Phoenix {
  readonly #deps: PhoenixDeps
  readonly #desk: PresenceTracker
  readonly #sockets: PhoenixSockets
  readonly #sessions: PhoenixSessions

  constructor(deps: PhoenixDeps) {
    this.#deps = deps
    const store = new ChannelStore(deps.sql)
    this.#desk = new PresenceTracker(deps.presence)
    const hub = new PhoenixHub({ ...deps, desk: this.#desk })
    const parts = { ...deps, store, hub, desk: this.#desk, history: deps.log }
    this.#sockets = new PhoenixSockets(parts)
    this.#sessions = new PhoenixSessions(parts)
  }

  restore(): void {
    this.#sockets.restore()
  }

  openSocket(connect: ConnectRequest, opening: Opening): Response {
    const response = this.#sockets.open(connect, opening)
    this.#sweepLater()
    return response
  }

  openSession(connect: ConnectRequest, opening: Opening): string {
    const connectionId = this.#sessions.open(connect, opening)
    this.#sweepLater()
    return connectionId
  }

  poll(connectionId: string, cursor: number): Promise<PollResult> {
    return this.#sessions.poll(connectionId, cursor)
  }

  push(connectionId: string, frames: readonly (string | ArrayBuffer)[]): Promise<boolean> {
    return this.#sessions.push(connectionId, frames)
  }

  message(socket: WebSocket, data: string | ArrayBuffer): Promise<boolean> {
    return this.#sockets.message(socket, data)
  }

  closed(socket: WebSocket): boolean {
    return this.#sockets.closed(socket)
  }

  presenceChanged(topic: string, diff: PresenceDiff): boolean {
    return this.#desk.changed(topic, diff)
  }

  /** Ends the silent, and asks to be woken for those who may become so: also when nothing else wakes the shard. */
  sweep(nowMs: number): void {
    for (const dueAtMs of [this.#sockets.sweep(nowMs), this.#sessions.sweep(nowMs)]) {
      if (dueAtMs !== null) this.#deps.wakeBy(dueAtMs)
    }
  }

  #sweepLater(): void {
    this.#deps.wakeBy(this.#deps.now() + this.#deps.timeoutMs)
  }
}
