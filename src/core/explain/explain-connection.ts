// What became of one event at one connection, from what the shard knows of it: when it began and ended, its filters, and how
// far it is written. Nothing of it is recorded per event: delivery is a function of these. Pure.
import type { Cause } from './cause.ts'
import type { TransportName } from '../identity/principal.ts'
import type { Filter } from '../subscriptions/filter.ts'
import { explainMatch, type MatchedEvent, type MatchExplanation } from './explain-match.ts'

/** How far a connection is. */
export interface ConnectionProgress {
  /** What passes its filter has been written up to here. */
  readonly writtenSeq: number
  /** Null: the transport has no acknowledgements. */
  readonly acknowledgedSeq: number | null
}

/** A filter, and the sequence number after which events go through it. */
export interface FilterSince {
  readonly filter: Filter
  readonly sinceSeq: number
}

/** What is known of one connection. */
export interface ConnectionFacts extends ConnectionProgress {
  readonly transport: TransportName
  readonly openedAtMs: number
  /** Oldest first, at least one. */
  readonly filters: readonly FilterSince[]
  /** The oldest filter is not the connection's first: earlier ones are no longer known. */
  readonly hasForgotten: boolean
  /** Whether the client got what it had missed; null: it came without a position, or it is not known. */
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

/** Returns what became of the event. `place` is null if the shard did not store it. */
export function explainConnection(facts: ConnectionFacts, event: MatchedEvent, place: StoredPlace | null): Cause {
  const newest = facts.filters.at(-1)
  if (newest === undefined) return { kind: 'unknown', why: 'the connection has no filter' }
  const match = explainMatch(newest.filter, event)
  if (place === null) return match.passes ? { kind: 'subscribed_later', sinceSeq: null } : refusal(match, event)
  const { seq } = place
  // A filter that came later may reach further back: what its connection had missed was read again.
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
  const { acknowledgedSeq, ended, openedAtMs, transport, waitingBytes, writtenSeq } = facts
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
  if (transport === 'longpolling') return { kind: 'waits_for_poll', writtenSeq }
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
