// Phoenix by WebSocket, hibernatable: opened, found again after sleep or crash, and closed when its client is silent.
// Every heartbeat has another ref, so the runtime cannot answer it for us: a shard with Phoenix sockets wakes for them.
import { z } from 'zod'
import type { ConnectRequest } from '../../../../core/identity/principal.ts'
import type { ConnectionRegistry } from '../../connection-registry.ts'
import type { History } from '../../log/replay.ts'
import type { Opening } from '../../connection-state.ts'
import type { ConnectionLifecycle } from '../../connection-lifecycle.ts'
import { closeSocket } from '../websocket.ts'
import type { Channel, JoinPayload } from './channel.ts'
import { decodeMessage } from './message.ts'
import { PhoenixConnection } from './phoenix-connection.ts'
import type { Keeper, PhoenixHub } from './phoenix-hub.ts'
import type { ChannelStore, StoredSocket } from './channel-store.ts'
import type { PresenceTracker } from './presence-tracker.ts'

/** A CloudEvent to publish may be in it; larger than any that is allowed. */
const MAX_MESSAGE_SIZE = 1_100_000

const attachmentSchema = z.object({
  phoenix: z.string(),
  /** When the client was last heard of. Milliseconds since the epoch. */
  seenAtMs: z.number(),
})

type Attachment = z.infer<typeof attachmentSchema>

export interface PhoenixSocketsDeps {
  readonly host: Pick<DurableObjectState, 'acceptWebSocket' | 'getWebSockets'>
  /** A client that is silent for longer is dead. */
  readonly timeoutMs: number
  readonly history: History
  readonly connections: ConnectionRegistry
  readonly store: ChannelStore
  readonly roster: ConnectionLifecycle
  readonly hub: PhoenixHub
  readonly desk: PresenceTracker
  readonly now: () => number
}

export class PhoenixSockets implements Keeper {
  readonly #deps: PhoenixSocketsDeps

  constructor(deps: PhoenixSocketsDeps) {
    this.#deps = deps
  }

  open(connect: ConnectRequest, opening: Opening): Response {
    const { host, now, roster, store } = this.#deps
    const { 0: client, 1: server } = new WebSocketPair()
    host.acceptWebSocket(server)
    const hello = connect.phoenix ?? { vsn: 1, roles: [], meta: {} }
    const { connectionId } = opening.filter
    attach(server, { phoenix: connectionId, seenAtMs: now() })
    const { endsAtMs, endsByToken, owner } = opening
    const { openedAtMs } = owner
    const stored = { connectionId, principal: connect.principal, hello, openedAtMs, endsAtMs, endsByToken }
    store.put(stored)
    roster.add(this.#create(server, stored))
    const headers = connect.protocol === null ? undefined : { 'sec-websocket-protocol': connect.protocol }
    return new Response(null, { status: 101, webSocket: client, headers })
  }

  /** Rows without a socket are of connections that are gone: their users may come back. */
  restore(): void {
    const { connections, desk, hub, store } = this.#deps
    const sockets = new Map(this.#all().map(({ socket, attachment }) => [attachment.phoenix, socket]))
    for (const stored of store.all()) {
      const socket = sockets.get(stored.connectionId)
      const connection = this.#create(socket, stored)
      for (const { topic, joinRef, payload } of store.channels(stored.connectionId)) {
        hub.restore(connection, { topic, joinRef }, payload)
      }
      if (socket === undefined) {
        for (const channel of connection.channels.values()) desk.left(connection, channel, false)
        store.delete(stored.connectionId)
        continue
      }
      connection.filter = connection.wantedFilter()
      connections.add(connection)
    }
  }

  /** False: the socket is not one of Phoenix. */
  async message(socket: WebSocket, data: string | ArrayBuffer): Promise<boolean> {
    const attachment = readAttachment(socket)
    if (attachment === undefined) return false
    const connection = this.#deps.connections.get(attachment.phoenix)
    if (!(connection instanceof PhoenixConnection)) {
      closeSocket(socket, { kind: 'connection_gone' })
      return true
    }
    attach(socket, { ...attachment, seenAtMs: this.#deps.now() })
    const isSmall = (typeof data === 'string' ? data.length : data.byteLength) <= MAX_MESSAGE_SIZE
    const message = isSmall ? decodeMessage(connection.vsn, data) : undefined
    if (message === undefined) {
      this.#deps.roster.end(connection, { kind: 'protocol_violation', message: 'Not a message of Phoenix Channels.' })
    } else await this.#deps.hub.handle(connection, message, this)
    return true
  }

  /** False: the socket is not one of Phoenix. */
  closed(socket: WebSocket): boolean {
    const attachment = readAttachment(socket)
    if (attachment === undefined) return false
    const connection = this.#deps.connections.get(attachment.phoenix)
    if (connection !== undefined) this.#deps.roster.forget(connection)
    return true
  }

  /** Ends the silent. Answers when the next one would be due; null: there are no sockets. */
  sweep(nowMs: number): number | null {
    const { connections, roster, timeoutMs } = this.#deps
    let nextMs: number | null = null
    for (const { attachment } of this.#all()) {
      const connection = connections.get(attachment.phoenix)
      const dueAtMs = attachment.seenAtMs + timeoutMs
      if (connection === undefined) continue
      if (dueAtMs <= nowMs) roster.end(connection, { kind: 'silent' })
      else nextMs = Math.min(nextMs ?? Infinity, dueAtMs)
    }
    return nextMs
  }

  joined({ joiner }: PhoenixConnection, { topic, joinRef }: Channel, payload: JoinPayload): void {
    this.#deps.store.join(joiner.connectionId, { topic, joinRef, payload })
  }

  left({ joiner }: PhoenixConnection, topic: string): void {
    this.#deps.store.leave(joiner.connectionId, topic)
  }

  #create(socket: WebSocket | undefined, stored: StoredSocket): PhoenixConnection {
    const { history, hub, roster, store } = this.#deps
    const { connectionId, principal, hello, openedAtMs, endsAtMs, endsByToken } = stored
    const connection: PhoenixConnection = new PhoenixConnection({
      joiner: { connectionId, principal, hello },
      openedAtMs,
      endsAtMs,
      endsByToken,
      history,
      wire: {
        // A socket that is closing throws on send: its close event is on the way, and the log keeps what it misses.
        send: (frame) => {
          try {
            socket?.send(frame)
          } catch {
            roster.forget(connection)
          }
        },
        close: (code, reason) => socket?.close(code, reason),
      },
      onForgotten: (gone) => {
        hub.forgotten(gone)
        store.delete(connectionId)
      },
    })
    return connection
  }

  #all(): readonly { readonly socket: WebSocket; readonly attachment: Attachment }[] {
    return this.#deps.host.getWebSockets().flatMap((socket) => {
      const attachment = readAttachment(socket)
      return attachment === undefined ? [] : [{ socket, attachment }]
    })
  }
}

function attach(socket: WebSocket, attachment: Attachment): void {
  socket.serializeAttachment(attachment)
}

function readAttachment(socket: WebSocket): Attachment | undefined {
  return attachmentSchema.safeParse(socket.deserializeAttachment()).data
}
