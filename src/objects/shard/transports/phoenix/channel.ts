// One joined channel: what a topic and the payload of its join ask for, who may have it, and the filter it becomes. Pure.
import { z } from 'zod'
import type { Check } from '../../../../config/auth.ts'
import type { Extractors } from '../../../../core/events/extractors.ts'
import { createFilter, type Filter } from '../../../../core/subscriptions/filter.ts'
import type { PhoenixHello, Principal } from '../../../../core/identity/principal.ts'
import { toHttp } from '../../../../core/errors.ts'
import { fail, ok, type Result } from '../../../../core/result.ts'
import { parseSubscriptions } from '../../../../core/subscriptions/parse-subscriptions.ts'
import type { Subscription } from '../../../../core/subscriptions/subscription.ts'
import { watchTopic } from '../../../../core/subscriptions/watch-topic.ts'
import { maySubscribe } from '../../subscribe.ts'

export interface ChannelRules {
  readonly extractors: Extractors
  readonly widenUnknown: boolean
  /** May join the channels of others, and of roles. */
  readonly privilegedRoles: readonly string[]
  /** Of `events:*`. */
  readonly check: Check
}

/** How events are named on the channel: all `message`, as RIG 1.x did, or each by its CloudEvents type. */
type Naming = 'message' | 'type'

export interface Channel {
  readonly topic: string
  readonly joinRef: string | null
  readonly naming: Naming
  readonly filter: Filter
  /** What the Directory has to know of before the join is confirmed. */
  readonly interests: readonly Subscription[]
  /** Whose events it carries: one's own or another's; null for roles and event types. */
  readonly user: string | null
  /** Whether its presences are told. */
  readonly hasPresence: boolean
}

export interface Joining {
  readonly topic: string
  readonly joinRef: string | null
  readonly payload: unknown
}

export interface Joiner {
  readonly connectionId: string
  readonly principal: Principal
  readonly hello: PhoenixHello
}

const joinSchema = z.object({
  name: z.enum(['message', 'type']).default('message'),
  /** Where to read on from. */
  last_event_id: z.string().nullish(),
  /** `events:*` only: constraints, as in a subscription. */
  oneOf: z.unknown().optional(),
})

export type JoinPayload = z.infer<typeof joinSchema>

/** A payload that is none asks for nothing; one that is wrong says what would be right. */
export function parseJoin(payload: unknown): Result<JoinPayload, string> {
  const parsed = joinSchema.safeParse(payload ?? {})
  return parsed.success
    ? ok(parsed.data)
    : fail('must be {"name": "message" or "type", "last_event_id": a position, "oneOf": constraints}, all optional')
}

/** The error is what the client is told. */
export function openChannel(joiner: Joiner, joining: Joining, join: JoinPayload, rules: ChannelRules) {
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
  const { user } = joiner.principal
  const isOwn = user === name
  if (!isOwn && !isPrivileged(joiner, rules)) return fail(unauthorized(user, joining.topic))
  const filter = createFilter(joiner.connectionId, isOwn ? name : null, [], isOwn ? [] : [name])
  const interests = isOwn ? [] : [{ eventType: watchTopic(name), oneOf: [] }]
  return ok({ ...common(joining, join), filter, interests, user: name, hasPresence: true })
}

function roleChannel(
  joiner: Joiner,
  joining: Joining,
  join: JoinPayload,
  _role: string,
  rules: ChannelRules,
): Result<Channel, string> {
  if (!isPrivileged(joiner, rules)) return fail(unauthorized(joiner.principal.user, joining.topic))
  const filter = createFilter(joiner.connectionId, null, [])
  return ok({ ...common(joining, join), filter, interests: [], user: null, hasPresence: true })
}

function eventsChannel(
  joiner: Joiner,
  joining: Joining,
  join: JoinPayload,
  eventType: string,
  rules: ChannelRules,
): Result<Channel, string> {
  const hasToken = joiner.principal.expSeconds !== null
  if (!maySubscribe(rules.check, hasToken)) return fail('not authorized to subscribe')
  const wanted = [{ eventType, ...(join.oneOf === undefined ? {} : { oneOf: join.oneOf }) }]
  const parsed = parseSubscriptions(wanted, { ...rules, limit: 1 })
  if (!parsed.ok) return fail(toHttp(parsed.reason).message)
  const filter = createFilter(joiner.connectionId, null, parsed.value)
  return ok({ ...common(joining, join), filter, interests: parsed.value, user: null, hasPresence: false })
}

function common({ topic, joinRef }: Joining, { name }: JoinPayload) {
  return { topic, joinRef, naming: name }
}

function isPrivileged({ hello }: Joiner, { privilegedRoles }: ChannelRules): boolean {
  return hello.roles.some((role) => privilegedRoles.includes(role))
}

/** RIG's text. */
function unauthorized(user: string | null, topic: string): string {
  return `unauthorized user with id ${JSON.stringify(user)} tried to join "${topic}"!`
}
