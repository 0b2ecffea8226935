// The record of one connection, from the request that opens it to storage and back. Pure: clock and randomness are arguments.
// Admission makes it, the ConnectionStore keeps it, a connection of any transport holds it as `state`.
import type { OldShardReplay } from '../old-shard/old-shard-replay.ts'
import { rightsOf } from '../../../core/rules/filter-rights.ts'
import type { TypeGrant } from '../../../core/rules/type-grant.ts'
import type { TypeRules } from '../../../core/rules/type-rules.ts'
import { createFilter, withJoins, withRights, withTables, type Filter } from '../../../core/subscriptions/filter.ts'
import type { OffsetJoin } from '../../../core/as-of/joins.ts'
import type {
  ConnectRequest,
  Metadata,
  PhoenixHello,
  Principal,
  TransportName,
} from '../../../core/identity/principal.ts'
import type { LogPlace } from '../../../core/identity/position.ts'
import type { HistoryPlace } from '../log/history.ts'
import type { Subscription } from '../../../core/subscriptions/subscription.ts'

/** Connections end up to this much earlier than their maximum lifetime, at random, so that they do not return together. */
const LIFETIME_JITTER = 0.1

/** A client that resumed gets missed events of subscriptions that it sends within this time. Later ones start from then on. */
const RESUBSCRIBE_WITHIN_MS = 60_000

interface Owner {
  /** User of the token that the connection was opened with. */
  readonly user: string | null
  /** Sessions of that token and of every token that came later. */
  readonly sessions: readonly string[]
  /** Milliseconds since the epoch. */
  readonly openedAtMs: number
  /** Set by the client, for example its device. */
  readonly metadata: Metadata
}

/** When a connection has to end. */
export interface Term {
  /** Milliseconds since the epoch: expiry of its token or its maximum lifetime. */
  readonly endsAtMs: number
  /** True if it is the token that ends then. */
  readonly endsByToken: boolean
}

/** The position that a client resumed from, and until when its subscriptions get events from there on. */
export interface Resume {
  readonly seq: number
  /** Milliseconds since the epoch. */
  readonly untilMs: number
  /** The same position in the log of the shard that the client came from; null: it is of this log. */
  readonly before: LogPlace | null
  /** See Position.mark. */
  readonly mark?: string | undefined
}

export interface ConnectionState extends Term {
  /** 32 hex digits; part of the connection token. */
  readonly id: string
  readonly transport: TransportName
  readonly owner: Owner
  /** It was opened with a token. */
  readonly hasToken: boolean
  /** A position that its client gave chose the shard. */
  readonly atPosition: boolean
  /** The subscriptions in force. Empty for Phoenix, whose channels have their own filters. */
  readonly subscriptions: readonly Subscription[]
  /** The part of `subscriptions` that a token implies. */
  readonly inferred: readonly Subscription[]
  /** Where the connection began to read; for long-polling also where a first poll without a position starts. */
  readonly startSeq: number
  /** What it is not sent because the client's state has it, oldest first. Empty or absent once that has been passed. */
  readonly joins?: readonly OffsetJoin[]
  /** The position that the client is told while it gets what it missed at its old shard. Null: that of this shard's log. */
  readonly pinned: string | null
  /** Null after the first set of subscriptions, and for a client that gave no position to read on from. */
  readonly resume: Resume | null
  /** The user of the first token that came later, on a connection that was opened without a user. */
  readonly claimedBy: string | null
  /** When the token of the subscriptions in force expires, in milliseconds since the epoch. Null: they came without a token. */
  readonly grantEndsAtMs: number | null
  /** What its token permits by rules per event type. Absent: there are no rules, and its token narrows nothing. */
  readonly grant?: TypeGrant | undefined
  /** The same of the token that came with the subscriptions in force. */
  readonly lateGrant?: TypeGrant | null
  /** What is stored up to here is history to its client. Absent: `startSeq`. */
  readonly historySeq?: number
  /** The same in the log of the shard that its client came from. Absent: all of it is history. */
  readonly oldHistorySeq?: number | undefined
  /**
   * Event types whose tables it gets → the sequence number as of which it was sent the table, 0 if it had it before; null: it has
   * not been sent the whole table yet.
   */
  readonly tables?: Readonly<Record<string, number | null>> | undefined
  /** Phoenix only. */
  readonly phoenix: PhoenixHello | null
}

/** A connection that is about to be opened. */
export interface Opening {
  readonly connect: ConnectRequest
  readonly state: ConnectionState
  /** Whether all events since the client's position will come. Null if it gave no position. */
  readonly recovered: boolean | null
  /** Where a client that asked by time begins. Null: it did not. */
  readonly since: HistoryPlace | null
  /** The client may have missed events after this sequence number that its filter at that time did not pass. */
  readonly rewind: { readonly seq: number; readonly before: Filter } | null
  /** What the client gets from its old shard first. Null: nothing. */
  readonly oldShardReplay: OldShardReplay | null
}

/** Returns undefined if the token has expired. `random` is in [0, 1). */
export function termOf(principal: Principal, lifetimeMs: number, nowMs: number, random: number): Term | undefined {
  const hasExpired = principal.expSeconds !== null && principal.expSeconds * 1_000 <= nowMs
  return hasExpired
    ? undefined
    : earliestEnd(principal, Math.round(nowMs + lifetimeMs * (1 - LIFETIME_JITTER * random)))
}

/** The end of the token or of the lifetime, whichever is first. */
export function earliestEnd({ expSeconds }: Principal, lifetimeEndsAtMs: number): Term {
  const tokenEndsAtMs = expSeconds === null ? Infinity : expSeconds * 1_000
  return { endsAtMs: Math.min(tokenEndsAtMs, lifetimeEndsAtMs), endsByToken: tokenEndsAtMs <= lifetimeEndsAtMs }
}

export function resumeAt(
  seq: number | undefined,
  before: LogPlace | null,
  nowMs: number,
  mark?: string,
): Resume | null {
  if (seq === undefined) return null
  return { seq, before, untilMs: nowMs + RESUBSCRIBE_WITHIN_MS, ...(mark === undefined ? {} : { mark }) }
}

/** The user whose tokens a connection accepts; null if it accepts any. */
export function userOf({ claimedBy, owner }: ConnectionState): string | null {
  return owner.user ?? claimedBy
}

/** `rules`: null if there are none. */
export function filterOf(state: ConnectionState, rules: TypeRules | null): Filter {
  const { id, joins = [], owner, subscriptions } = state
  const filter = withRights(createFilter(id, owner.user, subscriptions), stateRights(state, rules))
  return withJoins(withTables(filter, filterTablesOf(state.tables)), joins)
}

/** A table that is not there yet has nothing of the log. */
function filterTablesOf(tables: ConnectionState['tables']): Filter['tables'] {
  return tables && new Map(Object.entries(tables).map(([type, seq]) => [type, seq ?? 0]))
}

/** What rules per event type let the connection get; undefined: everything. */
function stateRights(state: ConnectionState, rules: TypeRules | null) {
  return rightsOf(rules, [state.grant, state.lateGrant], historySeqOf(state))
}

/** What is stored up to here is history to the client. */
export function historySeqOf({ historySeq, startSeq }: ConnectionState): number {
  return historySeq ?? startSeq
}
