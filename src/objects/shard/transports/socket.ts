// Hibernatable WebSockets, as the transports over them use them: the attachment that names a socket's transport and
// connection, closing with a reason, and a writer that knows how much waits for the client.
import * as z from 'zod'
import { toClose, type RigelError } from '../../../core/errors.ts'
import type { BufferBudget } from '../buffer-budget.ts'
import { TRANSPORTS } from '../../../core/identity/principal.ts'

const attachmentSchema = z.object({ id: z.string(), transport: z.enum(TRANSPORTS) })

/** What every attachment has, beside what its transport needs after hibernation. */
export type SocketAttachment = z.infer<typeof attachmentSchema>

/** What was read from sockets that are in memory: their transport and id never change. */
const known = new WeakMap<WebSocket, SocketAttachment>()

/** Returns undefined for a socket that has none of our attachments. */
export function readAttachment(socket: WebSocket): SocketAttachment | undefined {
  const found = known.get(socket) ?? attachmentSchema.safeParse(socket.deserializeAttachment()).data
  if (found !== undefined) known.set(socket, found)
  return found
}

export function closeSocket(socket: WebSocket, reason: RigelError): void {
  const close = toClose(reason)
  socket.close(close.code, close.reason)
}

/** These codes report a close frame without a code, and a missing close frame: they must not be sent (RFC 6455, 7.4.1). */
const CODES_NEVER_SENT = new Set([1005, 1006, 1015])

/**
 * Sends the close frame that a client's close frame requires, or ends the network connection once both sides have sent
 * one (RFC 6455, 5.5.1 and 7.1.1). The runtime does neither on a hibernatable WebSocket.
 */
export function answerClose(socket: WebSocket, code: number, reason: string): void {
  try {
    if (CODES_NEVER_SENT.has(code)) socket.close()
    else socket.close(code, reason)
  } catch {
    // The network connection is gone already.
  }
}

/** Accepts the WebSocket and closes it: a browser does not show its page the HTTP status of a refused upgrade. */
export function refuseSocket(protocol: string | null, reason: RigelError): Response {
  const { 0: client, 1: server } = new WebSocketPair()
  server.accept()
  closeSocket(server, reason)
  return upgradeResponse(client, protocol)
}

export function upgradeResponse(client: WebSocket, protocol: string | null): Response {
  const headers = protocol === null ? undefined : { 'sec-websocket-protocol': protocol }
  return new Response(null, { status: 101, webSocket: client, headers })
}

/** The owner of a socket, as its writer calls it. An object, and no closures: a shard that wakes makes thousands of writers. */
export interface SocketOwner {
  /** More than the limit waits for the client. */
  onSlow(): void
  /** The socket is closing: its close event is on the way, and the log keeps what the client misses. */
  onClosing(): void
}

export class SocketWriter {
  readonly #socket: WebSocket
  readonly #limitBytes: number
  readonly #buffers: BufferBudget
  readonly #owner: SocketOwner
  /** Upper bound of the waiting text, in UTF-16 units: the socket's last bufferedAmount plus everything sent since. */
  #waitsAtMost = 0

  constructor(socket: WebSocket, limitBytes: number, buffers: BufferBudget, owner: SocketOwner) {
    this.#socket = socket
    this.#limitBytes = limitBytes
    this.#buffers = buffers
    this.#owner = owner
  }

  /** Always 0 where the runtime does not say (before workerd 1.20261117, cloudflare/workerd#988). */
  get bufferedBytes(): number {
    const { bufferedAmount } = this.#socket as { readonly bufferedAmount?: number }
    return bufferedAmount ?? 0
  }

  send(frame: string): void {
    try {
      this.#socket.send(frame)
    } catch {
      return this.#owner.onClosing()
    }
    this.#waitsAtMost += frame.length
    this.#buffers.wrote(frame.length)
    if (this.#waitsAtMost > this.#limitBytes) this.#checkBuffer()
  }

  #checkBuffer(): void {
    this.#waitsAtMost = this.bufferedBytes
    if (this.#waitsAtMost > this.#limitBytes) this.#owner.onSlow()
  }

  close(reason: RigelError): void {
    closeSocket(this.#socket, reason)
  }
}
