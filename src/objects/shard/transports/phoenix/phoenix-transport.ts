// The Phoenix Channels transport: WebSockets and long-polling sessions, over one hub of channels and one presence tracker.
import type { RigelError } from '../../../../core/errors.ts'
import type { ConnectRequest } from '../../../../core/identity/principal.ts'
import type { PresenceDiff } from '../../../../rpc/presence.ts'
import { stampError } from '../../../../rpc/shard.ts'
import type { ConnectionState, Opening } from '../../connections/connection-state.ts'
import type { Transport, TransportParts } from '../transport.ts'
import { ChannelHub } from './channel-hub.ts'
import type { PollResult } from './outbox.ts'
import { PhoenixSessions } from './phoenix-longpoll.ts'
import { PhoenixSockets } from './phoenix-socket.ts'
import { PresenceTracker } from './presence/presence-tracker.ts'

export class PhoenixTransport implements Transport {
  readonly #parts: TransportParts
  readonly #presence: PresenceTracker
  readonly #sockets: PhoenixSockets
  readonly #sessions: PhoenixSessions

  constructor(parts: TransportParts) {
    this.#parts = parts
    this.#presence = new PresenceTracker(parts.context, parts.timers)
    const hub = new ChannelHub(parts, this.#presence)
    this.#sockets = new PhoenixSockets(parts, hub)
    this.#sessions = new PhoenixSessions(parts, hub)
  }

  open(opening: Opening): Response {
    const response = this.#sockets.open(opening)
    this.#sweepLater()
    return response
  }

  /** The library tells its user of a refused upgrade and falls back or tries again: a close code would say no more. */
  refuse(_connect: ConnectRequest, reason: RigelError): Response {
    return stampError(reason)
  }

  restore(stored: readonly ConnectionState[]): void {
    this.#sockets.restore(stored)
  }

  onMessage(socket: WebSocket, message: string | ArrayBuffer): Promise<void> {
    return this.#sockets.onMessage(socket, message)
  }

  onClose(socket: WebSocket): void {
    this.#sockets.onClose(socket)
  }

  sweep(nowMs: number): number | null {
    const parts = [this.#sockets, this.#sessions, this.#presence]
    const dueMs = parts.map((part) => part.sweep(nowMs)).filter((due) => due !== null)
    return dueMs.length === 0 ? null : Math.min(...dueMs)
  }

  /** Opens a session by long-polling. The response is empty: the caller knows the session by its state. */
  openSession(opening: Opening): Response {
    this.#sessions.open(opening)
    this.#sweepLater()
    return new Response(null, { status: 204 })
  }

  poll(connectionId: string, cursor: number): Promise<PollResult> {
    return this.#sessions.poll(connectionId, cursor)
  }

  push(connectionId: string, frames: readonly (string | ArrayBuffer)[]): Promise<boolean> {
    return this.#sessions.push(connectionId, frames)
  }

  presenceChanged(topic: string, diff: PresenceDiff, version: number): boolean {
    return this.#presence.changed(topic, diff, version)
  }

  #sweepLater(): void {
    const { config, now, wakeBy } = this.#parts.context
    wakeBy(now() + config.phoenix.timeoutMs)
  }
}
