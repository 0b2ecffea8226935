// The possible answers to "why didn't Alice get it?": the reason why an event did not reach a user, or how it did.
// `describeCause` has the sentence for each. Pure. http/admin/explain and the shards find the causes.
import { stringifyScalars } from '../scalar.ts'
import { truncate } from '../text.ts'
import type { RefusedClause } from './explain-match.ts'

/**
 * What happened to an event at one step. Times are milliseconds since the epoch; `…Seq` are sequence numbers of a
 * shard.
 */
export type Cause =
  // The record.
  | { readonly kind: 'not_followed'; readonly topic: string }
  | { readonly kind: 'not_produced'; readonly latest: number }
  | { readonly kind: 'removed_from_topic'; readonly earliest: number }
  | {
      readonly kind: 'not_read_yet'
      /** The next offset that the follower reads; null: it has not started. */
      readonly next: number | null
      readonly failures: number
      readonly lastError: string | null
    }
  | { readonly kind: 'dead_letter'; readonly code: string; readonly reason: string; readonly rule: string | null }
  | { readonly kind: 'dropped_by_rule'; readonly rule: string }
  | { readonly kind: 'is_response' }
  | { readonly kind: 'not_addressed'; readonly recipients: readonly string[] }
  // The shard.
  | { readonly kind: 'not_wanted'; readonly type: string }
  | { readonly kind: 'removed_from_log'; readonly floor: number }
  | { readonly kind: 'not_arrived' }
  | { readonly kind: 'no_connection'; readonly knownSinceMs: number }
  | { readonly kind: 'refused'; readonly reason: string; readonly atMs: number }
  // The connection.
  | { readonly kind: 'opened_later'; readonly startSeq: number; readonly recovered: boolean | null }
  | { readonly kind: 'type_not_subscribed'; readonly type: string; readonly subscribed: readonly string[] }
  | { readonly kind: 'clause_refused'; readonly refused: readonly RefusedClause[] }
  | { readonly kind: 'subscribed_later'; readonly sinceSeq: number | null }
  | { readonly kind: 'ended_before'; readonly reason: string; readonly atMs: number }
  | { readonly kind: 'waits_for_ack'; readonly writtenSeq: number }
  | { readonly kind: 'waits_for_reader'; readonly writtenSeq: number; readonly waitingBytes: number }
  | { readonly kind: 'waits_for_poll'; readonly writtenSeq: number }
  | Written
  | { readonly kind: 'unknown'; readonly why: string }

/** The event was written to the connection. */
export interface Written {
  readonly kind: 'written'
  /** When the shard stored it. A connection that was open and not behind got it at the same time. */
  readonly storedMs: number
  readonly how: 'live' | 'replay'
  /** Null: the transport has no acknowledgements. */
  readonly acknowledged: boolean | null
  /** Why the connection has ended since; null: it is open. */
  readonly endedBy: string | null
  /** Bytes that the client has not taken, or had not taken when the connection ended. */
  readonly waitingBytes: number
  /** Type or pattern of the subscription that matched; null: the event was addressed to the user. */
  readonly pattern: string | null
}

/** A cause reduced to what it means for the user. */
export type Verdict = 'received' | 'waits' | 'not_received' | 'unknown'

const WAITS: readonly Cause['kind'][] = [
  'not_read_yet',
  'not_arrived',
  'waits_for_ack',
  'waits_for_reader',
  'waits_for_poll',
]

/** Returns the verdict of a cause. */
export function verdictOf({ kind }: Cause): Verdict {
  if (kind === 'written') return 'received'
  if (kind === 'unknown') return 'unknown'
  return WAITS.includes(kind) ? 'waits' : 'not_received'
}

const BEST: readonly Verdict[] = ['received', 'waits', 'unknown', 'not_received']

/** Returns the cause with the best verdict, for a user with several connections. */
export function bestOf(causes: readonly Cause[]): Cause | undefined {
  return causes.toSorted((a, b) => BEST.indexOf(verdictOf(a)) - BEST.indexOf(verdictOf(b)))[0]
}

const MAX_SHOWN_CHARS = 200

/** Returns the cause as a sentence for an operator. */
export function describeCause(cause: Cause): string {
  switch (cause.kind) {
    case 'not_followed':
      return `Rigel does not follow the topic ${cause.topic}: KAFKA_SOURCE_TOPICS, NATS_SOURCE_TOPICS and KINESIS_STREAM name those it follows.`
    case 'not_produced':
      return `The partition has no such record yet: its end is at offset ${cause.latest}.`
    case 'removed_from_topic':
      return `The topic no longer has the record: retention removed everything before offset ${cause.earliest}.`
    case 'not_read_yet':
      return notReadYet(cause)
    case 'dead_letter':
      return `The record became a dead letter (${cause.code}): ${cause.reason}.`
    case 'dropped_by_rule':
      return `The rule "${cause.rule}" of TOPICS drops the record: its filter does not hold, or it is a tombstone.`
    case 'is_response':
      return 'The record is a response to a proxied request. It goes to the request that waits for it.'
    case 'not_addressed':
      return `The event is addressed to ${list(cause.recipients)}, not to this user.`
    case 'not_wanted':
      return `When the event arrived, nobody on the user's shard subscribed to ${cause.type}, so the shard did not store it.`
    case 'removed_from_log':
      return `The shard's log no longer has the event: the log begins after ${cause.floor} (LOG_RETENTION_SECONDS, LOG_RETENTION_BYTES).`
    case 'not_arrived':
      return "The follower has read the record, but the user's shard does not have the event: the append is being repeated, or the user was on another shard then."
    case 'no_connection':
      return `The user has no connection, and none has ended since ${time(cause.knownSinceMs)}, when the shard last started.`
    case 'refused':
      return `The user's connection was refused at ${time(cause.atMs)}: ${cause.reason}.`
    case 'opened_later':
      return openedLater(cause)
    case 'type_not_subscribed':
      return `The connection does not subscribe to ${cause.type}. It subscribes to ${list(cause.subscribed)}.`
    case 'clause_refused':
      return `The connection subscribes to the type, but no clause of its subscriptions matches: ${cause.refused.map(describeClause).join('; ')}.`
    case 'subscribed_later':
      return `The connection subscribed after the event${cause.sinceSeq === null ? '' : `, at position ${cause.sinceSeq}`}.`
    case 'ended_before':
      return `The connection ended at ${time(cause.atMs)}, before the event was written to it: ${cause.reason}. A client that reconnects with its position gets the event.`
    case 'waits_for_ack':
      return `The client has not acknowledged enough: the connection is written up to ${cause.writtenSeq}, and continues when the client acknowledges.`
    case 'waits_for_reader':
      return `The client reads too slowly: the connection is written up to ${cause.writtenSeq}, and ${cause.waitingBytes} bytes wait for it.`
    case 'waits_for_poll':
      return `The client has polled up to ${cause.writtenSeq}. It gets the event with its next poll.`
    case 'written':
      return written(cause)
    case 'unknown':
      return `Unknown: ${cause.why}.`
  }
}

function notReadYet({ failures, lastError, next }: Extract<Cause, { kind: 'not_read_yet' }>): string {
  const where = next === null ? 'has not started' : `is at offset ${next}`
  const why = failures > 0 ? ` It has failed ${failures} times in a row: ${lastError}.` : ''
  return `The follower has not read the record yet: it ${where}.${why}`
}

function openedLater({ recovered, startSeq }: Extract<Cause, { kind: 'opened_later' }>): string {
  const why =
    recovered === false
      ? 'its position was too old or of another log, and the client was told recovered: false'
      : recovered === true
        ? 'its position was after the event'
        : 'it had no position'
  return `The connection was opened after the event, and begins after ${startSeq}: ${why}.`
}

function written({ acknowledged, endedBy, how, pattern, storedMs, waitingBytes }: Written): string {
  const when = how === 'live' ? `at ${time(storedMs)}` : `in a replay (stored at ${time(storedMs)})`
  const why = pattern === null ? 'it is addressed to the user' : `the subscription to ${pattern} matches it`
  const ack =
    acknowledged === null
      ? ''
      : acknowledged
        ? ' The client has acknowledged it.'
        : ' The client has not acknowledged it.'
  const end = endedBy === null ? '' : ` The connection has ended since: ${endedBy}.`
  const wait = waitingBytes > 0 ? ` The client has not taken ${waitingBytes} bytes.` : ''
  return `It was written to the connection ${when}: ${why}.${ack}${end}${wait}`
}

function describeClause({ expected, field, got, pattern }: RefusedClause): string {
  const has = got === null ? 'the event has none' : `the event has ${truncate(stringifyScalars(got), MAX_SHOWN_CHARS)}`
  return `${pattern} requires ${field} ${truncate(stringifyScalars(expected), MAX_SHOWN_CHARS)}, ${has}`
}

function list(names: readonly string[]): string {
  return names.length === 0 ? 'nothing' : names.join(', ').slice(0, MAX_SHOWN_CHARS)
}

function time(atMs: number): string {
  return new Date(atMs).toISOString()
}
