// What is settled about a connection before there is one, whatever its transport. Pure: clock and chance come in.
import { createFilter, type Filter } from '../../core/subscriptions/filter.ts'
import type { ConnectRequest, Principal } from '../../core/identity/principal.ts'
import type { Subscription } from '../../core/subscriptions/subscription.ts'
import type { Owner, Resume, Term } from './connection.ts'
import type { StoredConnection } from './connection-store.ts'

/** Connections end this much earlier than their maximum lifetime, at random, so that they do not come back all at once. */
const LIFETIME_JITTER = 0.1

/** A client that came back says what it wants at once, or within this time: later it asks for what comes, as anybody. */
const RESUBSCRIBE_WITHIN_MS = 60_000

export type Wanted = Pick<ConnectRequest, 'principal' | 'subscriptions' | 'inferred' | 'lastEventId'>

/** Who a connection is of, what it may see, how long it may last. */
export interface Terms extends Term {
  readonly filter: Filter
  readonly resume: Resume | null
  readonly owner: Owner
  readonly subscriptions: readonly Subscription[]
  /** Those of them that the token implies. */
  readonly inferred: readonly Subscription[]
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
  const hasExpired = principal.expSeconds !== null && principal.expSeconds * 1_000 <= nowMs
  return hasExpired ? undefined : lastingUntil(principal, lifetimeEndsAtMs)
}

/** What ends first: the token or the longest that a connection may last. */
export function lastingUntil({ expSeconds }: Principal, lifetimeEndsAtMs: number): Term {
  const tokenEndsAtMs = expSeconds === null ? Infinity : expSeconds * 1_000
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
    inferred: wanted.inferred ?? [],
  }
}

export function termsOf(stored: StoredConnection): Terms {
  const { connectionId, owner, subscriptions, inferred, endsAtMs, endsByToken, startSeq, resumeUntilMs } = stored
  const resume = resumeUntilMs === null ? null : { seq: startSeq, untilMs: resumeUntilMs }
  return {
    filter: createFilter(connectionId, owner.user, subscriptions),
    owner,
    subscriptions,
    inferred,
    endsAtMs,
    endsByToken,
    resume,
  }
}
