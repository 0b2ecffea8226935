// Every answer to "why didn't Alice get it?": why an event did not reach a user, or how it did. Each has a kind, what is
// known, and a sentence. Pure. http/admin/explain.ts and the shards find the causes.
import { showJson } from '../json.ts'
import type { RefusedClause } from './explain-match.ts'

/** What became of an event at one step of its way. Times are milliseconds since the epoch, `seq` those of a shard's log. */
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

/** It was written to the connection. */
export interface Written {
  readonly kind: 'written'
  /** When the shard stored it, and wrote it if the connection was open and not behind. */
  readonly storedMs: number
  readonly how: 'live' | 'replay'
  /** Null: the transport has no acknowledgements. */
  readonly acknowledged: boolean | null
  /** The connection has ended since, for this reason. */
  readonly endedBy: string | null
  /** Bytes that its client had not taken when it ended, or has not taken yet. */
  readonly waitingBytes: number
  /** Type or pattern of the subscription that let it pass; null: it was addressed to the user. */
  readonly pattern: string | null
}

/** One answer for a user, of all that is known. */
export type Verdict = 'received' | 'waits' | 'not_received' | 'unknown'

const WAITS: readonly Cause['kind'][] = [
  'not_read_yet',
  'not_arrived',
  'waits_for_ack',
  'waits_for_reader',
  'waits_for_poll',
]

/** Returns what a cause means for the user. */
export function verdictOf({ kind }: Cause): Verdict {
  if (kind === 'written') return 'received'
  if (kind === 'unknown') return 'unknown'
  return WAITS.includes(kind) ? 'waits' : 'not_received'
}

const BEST: readonly Verdict[] = ['received', 'waits', 'unknown', 'not_received']

/** Returns the cause that answers for the user: of several connections, the one that came furthest. */
export function bestOf(causes: readonly Cause[]): Cause | undefined {
  return causes.toSorted((a, b) => BEST.indexOf(verdictOf(a)) - BEST.indexOf(verdictOf(b)))[0]
}

const MAX_SHOWN_CHARS = 200

/** Returns the cause as a sentence for an operator. */
export function describeCause(cause: Cause): string {
  switch (cause.kind) {
    case 'not_followed':
      return `Rigel does not follow the topic ${cause.topic}: KAFKA_SOURCE_TOPICS names those it follows.`
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
      return `The event is addressed to ${list(cause.recipients)}, and not to this user.`
    case 'not_wanted':
      return `When it came, nobody on the user's shard subscribed to ${cause.type}, so the shard did not store it.`
    case 'removed_from_log':
      return `The shard's log no longer has it: it begins after ${cause.floor} (LOG_RETENTION_SECONDS, LOG_RETENTION_BYTES).`
    case 'not_arrived':
      return "The follower has read it, and the user's shard does not have it: the append is being repeated, or SHARDS was another number then."
    case 'no_connection':
      return `The user has no connection, and none has ended since ${time(cause.knownSinceMs)}, when the shard last started.`
    case 'refused':
      return `The user's connection was refused at ${time(cause.atMs)}: ${cause.reason}.`
    case 'opened_later':
      return openedLater(cause)
    case 'type_not_subscribed':
      return `The connection does not subscribe to ${cause.type}. It subscribes to ${list(cause.subscribed)}.`
    case 'clause_refused':
      return `The connection subscribes to the type, and no clause holds: ${cause.refused.map(describeClause).join('; ')}.`
    case 'subscribed_later':
      return `The connection subscribed to it later${cause.sinceSeq === null ? '' : `, after position ${cause.sinceSeq}`}.`
    case 'ended_before':
      return `The connection ended at ${time(cause.atMs)}, before the event was written to it: ${cause.reason}. A client that comes back with its position gets it then.`
    case 'waits_for_ack':
      return `The client has not acknowledged enough: the connection is written up to ${cause.writtenSeq}, and goes on with its acks.`
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
      ? 'it came with a position that was too old or of another log, and was told recovered: false'
      : recovered === true
        ? 'it came with a position after the event'
        : 'it came without a position'
  return `The connection was opened later, and begins after ${startSeq}: ${why}.`
}

function written({ acknowledged, endedBy, how, pattern, storedMs, waitingBytes }: Written): string {
  const when = how === 'live' ? `at ${time(storedMs)}` : `when the connection read on (stored at ${time(storedMs)})`
  const why = pattern === null ? 'it is addressed to the user' : `the subscription to ${pattern} lets it pass`
  const ack =
    acknowledged === null
      ? ''
      : acknowledged
        ? ' The client has acknowledged it.'
        : ' The client has not acknowledged it.'
  const end = endedBy === null ? '' : ` The connection has ended since: ${endedBy}.`
  const wait = waitingBytes > 0 ? ` ${waitingBytes} bytes were not taken by the client.` : ''
  return `It was written to the connection ${when}: ${why}.${ack}${end}${wait}`
}

function describeClause({ expected, field, got, pattern }: RefusedClause): string {
  const has = got === null ? 'the event has none' : `the event has ${showJson(got, MAX_SHOWN_CHARS)}`
  return `${pattern} wants ${field} ${showJson(expected, MAX_SHOWN_CHARS)}, ${has}`
}

function list(names: readonly string[]): string {
  return names.length === 0 ? 'nothing' : names.join(', ').slice(0, MAX_SHOWN_CHARS)
}

function time(atMs: number): string {
  return new Date(atMs).toISOString()
}
