// What a Phoenix connection writes to: phoenix-socket.ts and phoenix-longpoll.ts make one for each connection.
import type { OffsetJoin } from '../../../../core/as-of/joins.ts'
import type { RigelError } from '../../../../core/errors.ts'
import type { ConnectionState } from '../../connections/connection-state.ts'
import type { Channel, JoinPayload } from './channel.ts'

/** The socket that a connection writes to and that stores its channels: a WebSocket, or the outbox of a long-polling session. */
export interface PhoenixSink {
  readonly bufferedBytes: number
  /** What a check service is asked with: see `keptAuthorization`. */
  readonly authorization: string | null | undefined
  /** It is lost with the object's memory: nothing of it is stored. */
  readonly isInMemory: boolean
  send(frame: string): void
  close(reason: RigelError): void
  /** Stores the connection, where it outlives the object's memory. */
  save(state: ConnectionState): void
  joined(channel: Channel, payload: JoinPayload, joins: readonly OffsetJoin[]): void
  left(topic: string): void
  /** Called when a replay begins and when it ends. */
  setReplaying(isReplaying: boolean): void
  /** Stores it for `restore`, where the connection outlives the object's memory. See ConnectionState. */
  setResume(resumed: Pick<ConnectionState, 'oldHistorySeq' | 'resume'>): void
  removed(): void
}
