// Bodies and queries of the internal API as zod schemas: admin-api.ts validates with them, openapi.ts describes with them.
import { showJson } from '../../core/json.ts'
import * as z from 'zod'
import { CURSOR } from './shard-pages.ts'
import { TRANSPORTS } from '../../core/identity/principal.ts'

const MAX_LISTED = 10_000

/** The error texts are RIG's, except the one for half of a surrogate pair: no token's session has one (core/identity/user-id.ts). */
export const revocation = z.object({
  sessionId: z.unknown().transform((value, context) => {
    if (typeof value === 'string' && value !== '' && value.isWellFormed()) return value
    context.addIssue(sessionProblem(value))
    return z.NEVER
  }),
  validityInSeconds: z.unknown().transform((value, context) => {
    const seconds = typeof value === 'string' && value.trim() !== '' ? Number(value) : value
    if (typeof seconds === 'number' && Number.isFinite(seconds) && seconds > 0) return seconds
    context.addIssue(validityProblem(value, seconds))
    return z.NEVER
  }),
})

function sessionProblem(value: unknown): string {
  if (value === undefined) return 'Missing value for "sessionId"'
  const which = typeof value === 'string' && value !== '' ? ', without half a surrogate pair' : ''
  return `Expected non-empty string${which}, got ${showJson(value, 100)}`
}

/**
 * Like `revocation`, for the description: JSON Schema cannot express that a text is converted to a number. Other fields are
 * ignored, as by RIG.
 */
export const revocationShape = z.looseObject({
  sessionId: z.string().min(1).describe('What JWT_SESSION_FIELD names in a token'),
  validityInSeconds: z.number().positive().describe('As long as a token of the session may live'),
})

const page = {
  after: z.string().regex(CURSOR, 'must be the `next` of the page before').optional(),
  limit: z.coerce.number().int().min(1).max(MAX_LISTED).default(1_000),
}

export const usersQuery = z.object(page)

export const connectionsQuery = z.object({
  ...page,
  user: z.string().min(1).optional(),
  session: z.string().min(1).optional(),
  /** An indexed field of the metadata, together with `value`. */
  field: z.string().min(1).optional(),
  value: z.string().optional(),
})

export const connectionInfo = z.object({
  connectionToken: z.string(),
  transport: z.enum(TRANSPORTS),
  user: z.string().nullable(),
  sessions: z.array(z.string()),
  openedAtMs: z.number(),
  metadata: z.record(z.string(), z.union([z.string(), z.number(), z.boolean()])),
  endsAtMs: z.number(),
  subscriptions: z.array(z.string()).describe('Event types'),
})

const next = z.string().nullable().describe('Pass it as `after` for the next page; null on the last one')

export const connectionList = z.object({ connections: z.array(connectionInfo), next })

export const connectionCounts = z.object({
  connections: z.number().int(),
  users: z.number().int(),
  byTransport: z.record(z.string(), z.number()),
  topUsers: z
    .array(z.object({ user: z.string(), connections: z.number() }))
    .describe('The ten users with the most connections'),
})

export const userList = z.object({
  users: z.record(z.string(), z.number()).describe('User → number of connections'),
  next,
})

export const closedAnswer = z.object({ closed: z.number().int() })

/** `duplicate` and `error` are for pushes only. */
export const place = z.object({
  topic: z.string(),
  partition: z.number().int(),
  offset: z.number().int(),
  duplicate: z.literal(true).optional(),
  error: z.string().optional(),
})

/** What one request can have of dead letters. */
export const MAX_DEAD_LETTERS = 500

export const deadLettersQuery = z.object({
  limit: z.coerce.number().int().min(1).max(MAX_DEAD_LETTERS).default(50),
  partition: z.coerce.number().int().min(0).optional(),
  offset: z.coerce.number().int().min(0).optional(),
})

export const deadLetterPlace = z.strictObject({ partition: z.int().min(0), offset: z.int().min(0) })

export const discardBody = z.strictObject({ dead_letters: z.array(deadLetterPlace).min(1).max(MAX_DEAD_LETTERS) })

export const explainQuery = z.object({
  event: z.string().min(1).max(1_000).describe('<topic>/<partition>/<offset>, or the id of an event'),
  user: z.string().min(1).max(1_000).optional(),
})

export const tryBody = z.strictObject({
  key: z.string().nullish(),
  key_base64: z.base64().optional().describe('A key of bytes, such as one that names a schema. Wins over `key`.'),
  headers: z.record(z.string(), z.string()).default({}),
  value: z
    .unknown()
    .optional()
    .describe('Any JSON. A string is used as the value unchanged. Null or an absent value is a tombstone.'),
  value_base64: z.base64().optional(),
  timestamp: z.int().min(0).optional(),
  partition: z.int().min(0).default(0),
  offset: z.int().min(0).default(0),
  rule: z.unknown().optional().describe('As in TOPICS; absent: the rule in force'),
})

// oxlint-disable-next-line no-control-regex -- an attribute must not have them
const ATTRIBUTE = /^[^\u0000-\u001f\u007f]+$/
const attribute = z.string().min(1).regex(ATTRIBUTE)

/** For the description: events are validated by core/events, which gives texts that say more. */
export const cloudEvent = z.looseObject({
  specversion: z.literal('1.0'),
  id: attribute,
  source: attribute,
  type: attribute.regex(/^(?!rig\.)/),
  time: z.iso.datetime({ offset: true }).nullish(),
  data: z.unknown(),
})

function validityProblem(value: unknown, seconds: unknown): string {
  if (value === undefined) return 'Missing value for "validityInSeconds"'
  const isNumber = typeof seconds === 'number' && Number.isFinite(seconds)
  return `Expected a ${isNumber ? 'positive ' : ''}number, got ${showJson(value, 100)}`
}
