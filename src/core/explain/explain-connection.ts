// Computes what happened to one event at one connection from the connection's begin and end, its filters, and the
// position up to which it is written. Delivery is a function of these, so nothing is recorded per event. Pure.
import type { Cause } from './cause.ts'
import type { TransportName } from '../identity/principal.ts'
import type { Filter } from '../subscriptions/filter.ts'
import { explainMatch, type MatchedEvent, type MatchExplanation } from './explain-match.ts'

/** How far events have been written to a connection. */
export interface ConnectionProgress {
  /** All events up to this one that pass the filter have been written. */
  readonly writtenSeq: number
  /** Null: the transport has no acknowledgements. */
  readonly acknowledgedSeq: number | null
  /** True if the client fetches events itself, so that nothing is written until it polls. */
  readonly needsPoll?: true
}

/** A filter, and the sequence number after which it applies. */
export interface FilterSince {
  readonly filter: Filter
  readonly sinceSeq: number
}

/** What a shard knows about one connection. */
export interface ConnectionFacts extends ConnectionProgress {
  readonly transport: TransportName
  readonly openedAtMs: number
  /** Oldest first, at least one. */
  readonly filters: readonly FilterSince[]
  /** True if earlier filters than those in `filters` are no longer known. */
  readonly hasForgotten: boolean
  /** Whether the client got the events that it had missed; null: it gave no position, or this is not known. */
  readonly recovered: boolean | null
  /** Bytes that the client has not taken. */
  readonly waitingBytes: number
  readonly ended: { readonly atMs: number; readonly reason: string } | null
}

/** Where a shard has stored an event. */
export interface StoredPlace {
  readonly seq: number
  /** Milliseconds since the epoch. */
  readonly storedMs: number
}

/** Returns what happened to the event. `place` is null if the shard did not store it. */
export function explainConnection(facts: ConnectionFacts, event: MatchedEvent, place: StoredPlace | null): Cause {
  const newest = facts.filters.at(-1)
  if (newest === undefined) return { kind: 'unknown', why: 'the connection has no filter' }
  const match = explainMatch(newest.filter, event)
  if (place === null) return match.passes ? { kind: 'subscribed_later', sinceSeq: null } : refusal(match, event)
  const { seq } = place
  // A later filter may begin at an earlier event: the log was read again for what the connection had missed.
  const startSeq = Math.min(...facts.filters.map(({ sinceSeq }) => sinceSeq))
  if (seq <= startSeq) {
    if (facts.hasForgotten) return { kind: 'unknown', why: 'the subscriptions of that time are no longer known' }
    return { kind: 'opened_later', startSeq, recovered: facts.recovered }
  }
  const then = facts.filters.findLast(({ sinceSeq }) => seq > sinceSeq) ?? newest
  const matchThen = then === newest ? match : explainMatch(then.filter, event)
  if (!matchThen.passes) {
    return match.passes ? { kind: 'subscribed_later', sinceSeq: newest.sinceSeq } : refusal(matchThen, event)
  }
  return explainWriting(facts, matchThen, place)
}

function explainWriting(
  facts: ConnectionFacts,
  match: MatchExplanation & { readonly passes: true },
  { seq, storedMs }: StoredPlace,
): Cause {
  const { acknowledgedSeq, ended, needsPoll, openedAtMs, waitingBytes, writtenSeq } = facts
  if (seq <= writtenSeq) {
    return {
      kind: 'written',
      storedMs,
      how: openedAtMs <= storedMs ? 'live' : 'replay',
      acknowledged: acknowledgedSeq === null ? null : seq <= acknowledgedSeq,
      endedBy: ended?.reason ?? null,
      waitingBytes,
      pattern: match.by === 'subscription' ? match.pattern : null,
    }
  }
  if (ended !== null) return { kind: 'ended_before', ...ended }
  if (needsPoll === true) return { kind: 'waits_for_poll', writtenSeq }
  if (acknowledgedSeq !== null) return { kind: 'waits_for_ack', writtenSeq }
  return { kind: 'waits_for_reader', writtenSeq, waitingBytes }
}

function refusal(match: MatchExplanation & { readonly passes: false }, { type }: MatchedEvent): Cause {
  switch (match.because) {
    case 'not_addressed':
      return { kind: 'not_addressed', recipients: match.recipients }
    case 'another_connection':
      return { kind: 'not_addressed', recipients: ['another connection'] }
    case 'type_not_subscribed':
      return { kind: 'type_not_subscribed', type, subscribed: match.subscribed }
    case 'clause':
      return { kind: 'clause_refused', refused: match.refused }
  }
}
