// What is settled about a connection before there is one, whatever its transport. Pure: clock and chance come in.
import { createFilter, type Filter } from '../core/filter.ts'
import type { ConnectRequest, Principal } from '../core/principal.ts'
import type { Owner, Resume } from './connection.ts'
import type { StoredConnection } from './connection-store.ts'

/** Connections end this much earlier than their maximum lifetime, at random, so that they do not come back all at once. */
const LIFETIME_JITTER = 0.1

/** A client that came back says what it wants at once, or within this time: later it asks for what comes, as anybody. */
const RESUBSCRIBE_WITHIN_MS = 60_000

export type Wanted = Pick<ConnectRequest, 'principal' | 'subscriptions' | 'lastEventId'>

/** How long a connection may last. */
export interface Term {
  /** Milliseconds since the epoch. */
  readonly endsAtMs: number
  /** True: it ends then because its token does. */
  readonly endsByToken: boolean
}

/** Who a connection is of, what it may see, how long it may last. */
export interface Terms extends Term {
  readonly filter: Filter
  readonly resume: Resume | null
  readonly owner: Owner
}

export interface Opening extends Terms {
  readonly wanted: Wanted
  readonly startSeq: number
  /** Whether all since the client's position will come; null: it gave none. */
  readonly recovered: boolean | null
}

/** Undefined when the token has expired already. */
export function termOf(principal: Principal, lifetimeMs: number, nowMs: number, random: number): Term | undefined {
  const lifetimeEndsAtMs = Math.round(nowMs + lifetimeMs * (1 - LIFETIME_JITTER * random))
  const tokenEndsAtMs = principal.expSeconds === null ? Infinity : principal.expSeconds * 1_000
  if (tokenEndsAtMs <= nowMs) return undefined
  return { endsAtMs: Math.min(tokenEndsAtMs, lifetimeEndsAtMs), endsByToken: tokenEndsAtMs <= lifetimeEndsAtMs }
}

export function resumeAt(seq: number | undefined, nowMs: number): Resume | null {
  return seq === undefined ? null : { seq, untilMs: nowMs + RESUBSCRIBE_WITHIN_MS }
}

export function toStored(transport: StoredConnection['transport'], opening: Opening): StoredConnection {
  const { filter, wanted, startSeq, endsAtMs, endsByToken, resume, owner } = opening
  return {
    connectionId: filter.connectionId,
    transport,
    owner,
    endsAtMs,
    endsByToken,
    startSeq,
    resumeUntilMs: resume?.untilMs ?? null,
    subscriptions: wanted.subscriptions,
  }
}

export function termsOf(stored: StoredConnection): Terms {
  const { connectionId, owner, subscriptions, endsAtMs, endsByToken, startSeq, resumeUntilMs } = stored
  const resume = resumeUntilMs === null ? null : { seq: startSeq, untilMs: resumeUntilMs }
  return { filter: createFilter(connectionId, owner.user, subscriptions), owner, endsAtMs, endsByToken, resume }
}
