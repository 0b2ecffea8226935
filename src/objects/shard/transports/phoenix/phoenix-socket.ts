// Phoenix by WebSocket, hibernatable: opens sockets, finds them again after hibernation, and ends those whose client is
// silent. Every heartbeat has another ref, so the runtime cannot answer it: a shard with Phoenix sockets wakes for them.
import * as z from 'zod'
import type { ConnectionState, Opening, Resume } from '../../connections/connection-state.ts'
import { closeSocket, SocketWriter, upgradeResponse } from '../socket.ts'
import type { TransportParts } from '../transport.ts'
import type { ChannelHub } from './channel-hub.ts'
import { ChannelStore } from './channel-store.ts'
import { NOT_A_MESSAGE, decodeMessage } from './message.ts'
import { PhoenixConnection } from './phoenix-connection.ts'
import type { PhoenixSink } from './phoenix-sink.ts'

/** A message may hold a CloudEvent to publish; this is more than any that is accepted. */
const MAX_MESSAGE_SIZE = 1_100_000

const attachmentSchema = z.object({
  id: z.string(),
  transport: z.literal('phoenix'),
  /** When the client was last heard of, in milliseconds since the epoch. */
  seenAtMs: z.number(),
  /** A channel has not been sent all of its history. How far it is, is in memory only. */
  isReplaying: z.boolean(),
  /** See ConnectionState.resume. Absent: null. */
  resume: z.custom<Resume>().nullable().optional(),
  /** See ConnectionState. */
  oldHistorySeq: z.number().optional(),
  /** What a check service is asked with: see `keptAuthorization`. */
  authorization: z.string().nullable().optional(),
})

type Attachment = z.infer<typeof attachmentSchema>

export class PhoenixSockets {
  readonly #parts: TransportParts
  readonly #hub: ChannelHub
  readonly #store: ChannelStore
  readonly #connections = new Map<string, PhoenixConnection>()

  constructor(parts: TransportParts, hub: ChannelHub) {
    this.#parts = parts
    this.#hub = hub
    this.#store = new ChannelStore(parts.context.storage.sql)
  }

  open({ connect, state }: Opening): Response {
    const { context, lifecycle } = this.#parts
    const { 0: client, 1: server } = new WebSocketPair()
    context.sockets.acceptWebSocket(server)
    const { authorization } = connect
    attach(server, { id: state.id, transport: 'phoenix', seenAtMs: context.now(), isReplaying: false, authorization })
    lifecycle.add(this.#create(server, state))
    return upgradeResponse(client, connect.protocol)
  }

  /** A row without a socket is of a connection that is gone: its user may come back. */
  restore(stored: readonly ConnectionState[]): void {
    // Reading attachments costs 5 µs a socket, also of those of other transports.
    if (stored.length === 0) return
    const { connections, lifecycle } = this.#parts
    const sockets = new Map(this.#all().map((found) => [found.attachment.id, found]))
    for (const state of stored) {
      const found = sockets.get(state.id)
      const { oldHistorySeq, resume = null } = found?.attachment ?? {}
      const connection = this.#create(found?.socket, { ...state, resume, oldHistorySeq })
      for (const channel of this.#store.channels(state.id)) this.#hub.restore(connection, channel)
      if (found === undefined) {
        connection.removed()
        continue
      }
      connection.filter = connection.filterNow()
      connections.add(connection)
      // It comes back and joins with the positions that it has.
      if (found.attachment.isReplaying)
        lifecycle.end(connection, { kind: 'unavailable', message: 'Replay was interrupted.' })
    }
  }

  async onMessage(socket: WebSocket, data: string | ArrayBuffer): Promise<void> {
    const attachment = readPhoenixAttachment(socket)
    const connection = this.#connections.get(attachment?.id ?? '')
    if (attachment === undefined || connection === undefined) return closeSocket(socket, { kind: 'connection_gone' })
    attach(socket, { ...attachment, seenAtMs: this.#parts.context.now() })
    const size = typeof data === 'string' ? data.length : data.byteLength
    const message = size <= MAX_MESSAGE_SIZE ? decodeMessage(connection.vsn, data) : undefined
    if (message !== undefined) return this.#hub.handle(connection, message, size)
    this.#parts.lifecycle.end(connection, NOT_A_MESSAGE)
  }

  onClose(socket: WebSocket): void {
    const connection = this.#connections.get(readPhoenixAttachment(socket)?.id ?? '')
    if (connection !== undefined) this.#parts.lifecycle.remove(connection)
  }

  /** Ends the connections of silent clients. Returns when the next one would be due, or null. */
  sweep(nowMs: number): number | null {
    const { timeoutMs } = this.#parts.context.config.phoenix
    let nextMs: number | null = null
    if (this.#connections.size === 0) return nextMs
    for (const { attachment } of this.#all()) {
      const connection = this.#connections.get(attachment.id)
      const dueMs = attachment.seenAtMs + timeoutMs
      if (connection === undefined) continue
      if (dueMs <= nowMs) this.#parts.lifecycle.end(connection, { kind: 'silent' })
      else nextMs = Math.min(nextMs ?? Infinity, dueMs)
    }
    return nextMs
  }

  #create(socket: WebSocket | undefined, state: ConnectionState): PhoenixConnection {
    const sink = socket === undefined ? this.#sinkOfLostSocket(state) : this.#sinkOf(socket, state)
    const connection = new PhoenixConnection(state, sink, this.#parts, (removed) => this.#hub.removed(removed))
    this.#connections.set(state.id, connection)
    return connection
  }

  #sinkOf(socket: WebSocket, { id }: ConnectionState): PhoenixSink {
    const { buffers, context, lifecycle } = this.#parts
    const withConnection = (act: (connection: PhoenixConnection) => void) => () => {
      const connection = this.#connections.get(id)
      if (connection !== undefined) act(connection)
    }
    const writer = new SocketWriter(socket, context.config.connections.waitingBytes, buffers, {
      onSlow: withConnection((connection) => lifecycle.endSlow(connection)),
      onClosing: withConnection((connection) => lifecycle.remove(connection)),
    })
    return {
      get bufferedBytes() {
        return writer.bufferedBytes
      },
      get authorization() {
        return readPhoenixAttachment(socket)?.authorization
      },
      isInMemory: false,
      send: (frame) => writer.send(frame),
      close: (reason) => writer.close(reason),
      save: (state) => this.#parts.store.put(state),
      joined: ({ filter, joinRef, topic }, payload, joins) =>
        this.#store.put(id, { topic, joinRef, payload, joins, historySeq: filter.rights?.historySeq }),
      left: (topic) => this.#store.delete(id, topic),
      setReplaying: (isReplaying) => {
        const attachment = readPhoenixAttachment(socket)
        if (attachment !== undefined) attach(socket, { ...attachment, isReplaying })
      },
      setResume: (resumed) => {
        const attachment = readPhoenixAttachment(socket)
        if (attachment !== undefined) attach(socket, { ...attachment, ...resumed })
      },
      removed: () => this.#delete(id),
    }
  }

  #sinkOfLostSocket({ id }: ConnectionState): PhoenixSink {
    const nothing = () => undefined
    return {
      bufferedBytes: 0,
      authorization: undefined,
      isInMemory: false,
      send: nothing,
      close: nothing,
      save: nothing,
      joined: nothing,
      left: nothing,
      setReplaying: nothing,
      setResume: nothing,
      removed: () => this.#delete(id),
    }
  }

  #delete(id: string): void {
    this.#connections.delete(id)
    this.#parts.store.delete(id)
    this.#store.deleteAll(id)
  }

  #all(): readonly { readonly socket: WebSocket; readonly attachment: Attachment }[] {
    return this.#parts.context.sockets.getWebSockets().flatMap((socket) => {
      const attachment = readPhoenixAttachment(socket)
      return attachment === undefined ? [] : [{ socket, attachment }]
    })
  }
}

function attach(socket: WebSocket, attachment: Attachment): void {
  socket.serializeAttachment(attachment)
}

function readPhoenixAttachment(socket: WebSocket): Attachment | undefined {
  return attachmentSchema.safeParse(socket.deserializeAttachment()).data
}
