// One channel: what a topic and the payload of its join ask for, who may join it, and the filter that it becomes. Pure.
import * as z from 'zod'
import type { Check } from '../../../../config/auth.ts'
import type { Extractors } from '../../../../core/events/extractors.ts'
import { parseAsOf } from '../../../../core/as-of/as-of.ts'
import { EARLIEST, parseSince } from '../../../../core/identity/since.ts'
import { checkRights, hasPresence, rightsOf } from '../../../../core/rules/filter-rights.ts'
import type { TypeRules } from '../../../../core/rules/type-rules.ts'
import { createFilter, withRights, type Filter } from '../../../../core/subscriptions/filter.ts'
import { toHttp } from '../../../../core/errors.ts'
import { fail, ok, type Result } from '../../../../core/result.ts'
import { parseSubscriptions } from '../../../../core/subscriptions/parse-subscriptions.ts'
import type { Subscription } from '../../../../core/subscriptions/subscription.ts'
import { watchTopic } from '../../../../core/subscriptions/watch-topic.ts'
import type { ConnectionState } from '../../connections/connection-state.ts'
import { refusalWithoutToken } from '../../subscriptions/in-band-check.ts'

export interface ChannelRules {
  readonly extractors: Extractors
  readonly widenUnknown: boolean
  /** Roles that may join the channels of other users, and of roles. */
  readonly privilegedRoles: readonly string[]
  /** Applies to `events:*`. If it is a service, the caller asks it. */
  readonly check: Check
  /** Null: there are no rules per event type. */
  readonly typeRules: TypeRules | null
}

/** The name of events on the channel: `message` for all, as in RIG 1.x, or the CloudEvents type of each. */
type Naming = 'message' | 'type'

export interface Channel {
  readonly topic: string
  readonly joinRef: string | null
  readonly naming: Naming
  readonly filter: Filter
  /** What the Directory has to know before the join is confirmed. */
  readonly interests: readonly Subscription[]
  /** The user whose events it carries; null for roles and event types. */
  readonly user: string | null
  /** Its members get presence messages. */
  readonly hasPresence: boolean
}

export interface Joining {
  readonly topic: string
  readonly joinRef: string | null
  readonly payload: unknown
}

/** The connection that joins. */
export type Joiner = Pick<ConnectionState, 'id' | 'owner' | 'hasToken' | 'phoenix' | 'grant'>

/** The topics of channels that carry an event type. */
export const EVENTS = 'events:'

/** Characters of the name of a user, a role or an event type that has presence: an object is called by it. */
const MAX_PRESENT_CHARS = 256

/** Returns whether a user, a role or the channel of one is shown: it is if its name is not too long. */
export function mayBePresent(name: string | null): boolean {
  return name !== null && name.length <= MAX_PRESENT_CHARS
}

/** No position is longer. */
const MAX_POSITION_CHARS = 128
/** No list of offsets is longer: 100 partitions with the longest names. */
const MAX_AS_OF_CHARS = 32_768

const joinSchema = z.object({
  name: z.enum(['message', 'type']).default('message'),
  /** The position to read on from. */
  last_event_id: z.string().max(MAX_POSITION_CHARS).nullish(),
  /** The offsets of the client's state of what the channel carries. */
  as_of: z.string().max(MAX_AS_OF_CHARS).nullish(),
  /** A time (RFC 3339): without a position, what was stored from then on comes first. */
  since: z.string().max(64).nullish(),
  /** `events:*` only: constraints, as in a subscription. */
  oneOf: z.unknown().optional(),
  /** `events:*` only: the table of the type comes first. */
  state: z.boolean().optional(),
})

const JOIN_FORM =
  'must be {"name": "message" or "type", "last_event_id": a position, "as_of": offsets, "since": a time, "oneOf": constraints, "state": true or false}, all optional'

export type JoinPayload = z.infer<typeof joinSchema> & {
  /** `since`, or 0 for everything; in milliseconds since the epoch. */
  readonly sinceMs?: number | undefined
}

/** Returns what a join asks for, or what would be right. */
export function parseJoin(payload: unknown): Result<JoinPayload, string> {
  const { data } = joinSchema.safeParse(payload ?? {})
  if (data === undefined) return fail(JOIN_FORM)
  const asOf = data.as_of ? parseAsOf(data.as_of) : undefined
  if (asOf?.ok === false) return asOf
  const since = data.since ? parseSince(data.since) : undefined
  if (since?.ok === false) return since
  const isEarliest = data.last_event_id === EARLIEST
  if (asOf !== undefined && (since !== undefined || isEarliest)) return fail('as_of excludes since and earliest')
  const sinceMs = since?.value ?? (isEarliest ? 0 : undefined)
  // An empty position is none, as on every transport.
  const lastEventId = isEarliest ? null : data.last_event_id || null
  return ok({ ...data, as_of: data.as_of || undefined, last_event_id: lastEventId, sinceMs })
}

/** Returns the channel, or the error text for the client. `isByTime`: what is stored is asked for by time. */
export function openChannel(
  joiner: Joiner,
  joining: Joining,
  join: JoinPayload,
  rules: ChannelRules,
  isByTime = false,
): Result<Channel, string> {
  const opened = openUnruled(joiner, joining, join, rules)
  if (!opened.ok) return opened
  const { filter, interests, topic } = opened.value
  const rights = rightsOf(rules.typeRules, [joiner.grant])
  // Channels of users and roles are not of an event type: what rules forbid is left out of them.
  if (!topic.startsWith(EVENTS)) return ok({ ...opened.value, filter: withRights(filter, rights) })
  for (const action of isByTime ? (['subscribe', 'history'] as const) : (['subscribe'] as const)) {
    const allowed = checkRights(rights, interests, action)
    if (!allowed.ok) return fail(toHttp(allowed.reason).message)
  }
  const type = topic.slice(EVENTS.length)
  const isPresent = mayBePresent(type) && hasPresence(rights, type)
  return ok({ ...opened.value, filter: withRights(filter, rights), hasPresence: isPresent })
}

/** Returns the channel of a client to which what is stored up to `historySeq` is history. */
export function withHistory(channel: Channel, historySeq: number): Channel {
  const { filter } = channel
  return filter.rights === undefined
    ? channel
    : { ...channel, filter: withRights(filter, { ...filter.rights, historySeq }) }
}

/** See `withHistory`. */
export function historySeqOf({ filter }: Channel): number {
  return filter.rights?.historySeq ?? 0
}

function openUnruled(
  joiner: Joiner,
  joining: Joining,
  join: JoinPayload,
  rules: ChannelRules,
): Result<Channel, string> {
  const [, kind = '', name = ''] = /^(user|role|events):(.+)$/s.exec(joining.topic) ?? []
  if (kind === 'user') return userChannel(joiner, joining, join, name, rules)
  if (kind === 'role') return roleChannel(joiner, joining, join, name, rules)
  if (kind === 'events') return eventsChannel(joiner, joining, join, name, rules)
  return fail('unmatched topic')
}

function userChannel(
  joiner: Joiner,
  joining: Joining,
  join: JoinPayload,
  name: string,
  rules: ChannelRules,
): Result<Channel, string> {
  const { user } = joiner.owner
  const isOwn = user === name
  if (!isOwn && !isPrivileged(joiner, rules)) return fail(unauthorized(user, joining.topic))
  const filter = createFilter(joiner.id, isOwn ? name : null, [], isOwn ? [] : [name])
  const interests = isOwn ? [] : [{ eventType: watchTopic(name), oneOf: [] }]
  return ok({ ...common(joining, join), filter, interests, user: name, hasPresence: mayBePresent(name) })
}

function roleChannel(
  joiner: Joiner,
  joining: Joining,
  join: JoinPayload,
  role: string,
  rules: ChannelRules,
): Result<Channel, string> {
  if (!isPrivileged(joiner, rules)) return fail(unauthorized(joiner.owner.user, joining.topic))
  if (!mayBePresent(role)) return fail(`a role has at most ${MAX_PRESENT_CHARS} characters`)
  const filter = createFilter(joiner.id, null, [])
  return ok({ ...common(joining, join), filter, interests: [], user: null, hasPresence: true })
}

function eventsChannel(
  joiner: Joiner,
  joining: Joining,
  join: JoinPayload,
  eventType: string,
  rules: ChannelRules,
): Result<Channel, string> {
  const refusal = refusalWithoutToken(rules.check, joiner.hasToken)
  if (refusal !== undefined) return fail(toHttp(refusal).message)
  const wanted = [{ eventType, state: join.state, ...(join.oneOf === undefined ? {} : { oneOf: join.oneOf }) }]
  const parsed = parseSubscriptions(wanted, { ...rules, limit: 1 })
  if (!parsed.ok) return fail(toHttp(parsed.reason).message)
  const filter = createFilter(joiner.id, null, parsed.value)
  return ok({ ...common(joining, join), filter, interests: parsed.value, user: null, hasPresence: false })
}

function common({ topic, joinRef }: Joining, { name }: JoinPayload) {
  return { topic, joinRef, naming: name }
}

function isPrivileged({ phoenix }: Joiner, { privilegedRoles }: ChannelRules): boolean {
  return phoenix?.roles.some((role) => privilegedRoles.includes(role)) === true
}

/** RIG's text. */
function unauthorized(user: string | null, topic: string): string {
  return `unauthorized user with id ${JSON.stringify(user)} tried to join "${topic}"!`
}
