// Phoenix by long-polling: sessions in memory. A session that is gone, by a crash or a deploy, is answered with 410; the
// library then joins its channels again, with their positions, and nothing is lost.
import type { ConnectRequest } from '../../../../core/identity/principal.ts'
import type { ConnectionState, Opening } from '../../connections/connection-state.ts'
import type { TransportParts } from '../transport.ts'
import type { ChannelHub } from './channel-hub.ts'
import { NOT_A_MESSAGE, decodeMessage, spokenVsn } from './message.ts'
import { Outbox, type PollResult } from './outbox.ts'
import { PhoenixConnection } from './phoenix-connection.ts'
import type { PhoenixSink } from './phoenix-sink.ts'

/** The time that Phoenix itself uses; the library waits twice as long. */
const POLL_WAIT_MS = 10_000
/** A client that polls is back within this time after a response. */
const IDLE_MS = 30_000

interface Session {
  readonly connection: PhoenixConnection
  readonly outbox: Outbox
}

export class PhoenixSessions {
  readonly #parts: TransportParts
  readonly #hub: ChannelHub
  readonly #sessions = new Map<string, Session>()

  constructor(parts: TransportParts, hub: ChannelHub) {
    this.#parts = parts
    this.#hub = hub
  }

  open({ connect, state }: Opening): void {
    const { context, lifecycle, tokenless, timers } = this.#parts
    const outbox = new Outbox(context.config.connections.waitingBytes, context.now(), timers)
    const connection = new PhoenixConnection(state, this.#sinkOf(outbox, state, connect), this.#parts, (removed) =>
      this.#hub.removed(removed),
    )
    this.#sessions.set(state.id, { connection, outbox })
    tokenless.opened(state, context.now())
    lifecycle.add(connection)
  }

  async poll(connectionId: string, cursor: number): Promise<PollResult> {
    const session = this.#sessions.get(connectionId)
    if (session === undefined) return { kind: 'gone' }
    session.outbox.seenAtMs = this.#parts.context.now()
    const result = await session.outbox.take(cursor, POLL_WAIT_MS)
    session.outbox.seenAtMs = this.#parts.context.now()
    if (result.kind === 'gone') this.#parts.lifecycle.remove(session.connection)
    return result
  }

  /** Returns false if the session is gone. Anything that is not a message ends it. */
  async push(connectionId: string, frames: readonly (string | ArrayBuffer)[]): Promise<boolean> {
    const connection = this.#sessions.get(connectionId)?.connection
    if (connection === undefined) return false
    for (const frame of frames) {
      connection.vsn = spokenVsn(frame)
      const message = decodeMessage(connection.vsn, frame)
      if (message === undefined) {
        this.#parts.lifecycle.end(connection, NOT_A_MESSAGE)
        return false
      }
      const size = typeof frame === 'string' ? frame.length : frame.byteLength
      await this.#hub.handle(connection, message, size)
    }
    return true
  }

  /** Ends sessions that are not polled any more. Returns when the next one would be due, or null. */
  sweep(nowMs: number): number | null {
    let nextMs: number | null = null
    for (const { connection, outbox } of this.#sessions.values()) {
      const dueMs = (outbox.isPolled ? nowMs : outbox.seenAtMs) + IDLE_MS
      if (dueMs <= nowMs) this.#parts.lifecycle.remove(connection)
      else nextMs = Math.min(nextMs ?? Infinity, dueMs)
    }
    return nextMs
  }

  #endSlow(connectionId: string): void {
    const connection = this.#sessions.get(connectionId)?.connection
    if (connection !== undefined) this.#parts.lifecycle.endSlow(connection)
  }

  #sinkOf(outbox: Outbox, state: ConnectionState, { authorization }: ConnectRequest): PhoenixSink {
    const nothing = () => undefined
    return {
      get bufferedBytes() {
        return outbox.bufferedChars
      },
      authorization,
      isInMemory: true,
      send: (frame) => {
        const isWithinLimit = outbox.send(frame)
        this.#parts.buffers.wrote(frame.length)
        if (!isWithinLimit) this.#endSlow(state.id)
      },
      close: () => outbox.close(),
      save: nothing,
      joined: nothing,
      left: nothing,
      setReplaying: nothing,
      setResume: nothing,
      removed: () => {
        outbox.close()
        this.#sessions.delete(state.id)
        this.#parts.tokenless.ended(state)
      },
    }
  }
}
