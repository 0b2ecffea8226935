// What a transport is: one way to open connections and to write to them. docs/adding-a-transport.md shows how to add one;
// registry.ts lists them. The rest of the shard knows connections, never which transport they have.
import type { RigelError } from '../../../core/errors.ts'
import type { ConnectRequest } from '../../../core/identity/principal.ts'
import type { ConnectionState, Opening } from '../connections/connection-state.ts'
import type { BufferBudget } from '../buffer-budget.ts'
import type { ConnectionAdmission } from '../connections/admission.ts'
import type { AsOfJoins } from '../subscriptions/as-of-joins.ts'
import type { PassedOffsets } from '../subscriptions/passed-offsets.ts'
import type { InBandCheck } from '../subscriptions/in-band-check.ts'
import type { ChangeRateLimiter } from '../subscriptions/change-rate-limiter.ts'
import type { ClientPositions } from '../positions/client-positions.ts'
import type { ConnectionLifecycle } from '../connections/connection-lifecycle.ts'
import type { ConnectionRegistry } from '../connections/connection-registry.ts'
import type { OldShardReader } from '../old-shard/old-shard-reader.ts'
import type { Resumptions } from '../positions/resumption.ts'
import type { ConnectionStore } from '../connections/connection-store.ts'
import type { TokenlessSessions } from '../connections/tokenless-sessions.ts'
import type { KnownShardMap } from '../known-shard-map.ts'
import type { InterestRegistry } from '../interest-registry.ts'
import type { StoredHistory } from '../log/history.ts'
import type { CommittedLog } from '../log/committed-log.ts'
import type { TokenRenewal } from '../connections/renew-token.ts'
import type { ShardContext } from '../shard-context.ts'
import type { SubscriptionUpdater } from '../subscriptions/update-subscriptions.ts'
import type { LiveTables } from '../tables/live-tables.ts'
import type { Timers } from '../timers.ts'

export interface Transport {
  /** Makes the connection, greets its client, registers it, and returns the response to the client's request. */
  open(opening: Opening): Response
  /** Returns the response to a request whose connection is not opened. */
  refuse(connect: ConnectRequest, reason: RigelError): Response
  /** Registers the connections that outlived the object's memory. Called once, before anything else happens. */
  restore(stored: readonly ConnectionState[]): void
  /** A client sent a message on a hibernatable WebSocket of this transport. */
  onMessage(socket: WebSocket, message: string | ArrayBuffer): Promise<void>
  /** A hibernatable WebSocket of this transport was closed by its client, or its network connection was lost. */
  onClose(socket: WebSocket): void
  /** Ends connections that are idle. Returns when there is the next one to look at, in milliseconds since the epoch, or null. */
  sweep(nowMs: number): number | null
}

/** The parts of a shard that transports work with. */
export interface TransportParts {
  readonly context: ShardContext
  readonly connections: ConnectionRegistry
  readonly store: ConnectionStore
  readonly log: CommittedLog
  readonly interests: InterestRegistry
  readonly admission: ConnectionAdmission
  readonly lifecycle: ConnectionLifecycle
  readonly positions: ClientPositions
  readonly subscriptions: SubscriptionUpdater
  readonly changeRate: ChangeRateLimiter
  readonly renewal: TokenRenewal
  readonly asOfJoins: AsOfJoins
  readonly storedHistory: StoredHistory
  readonly passedOffsets: PassedOffsets
  readonly inBandCheck: InBandCheck
  readonly oldShards: OldShardReader
  readonly shardMap: KnownShardMap
  readonly resumptions: Resumptions
  readonly buffers: BufferBudget
  readonly tokenless: TokenlessSessions
  readonly tables: LiveTables
  readonly timers: Timers
  /** Makes positions given out before and after differ. Returns the new head of the log. */
  advanceLog(): number
}
