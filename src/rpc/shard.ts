// How the Worker and other objects call a shard: its stub, and how a connect request and a refusal are encoded. The request
// to a shard is a new one, so that no header of a client can reach the shard.
import * as z from 'zod'
import type { ShardSender } from '../core/delivery/fan-out-tree.ts'
import { TRANSPORTS, UPGRADED_TRANSPORTS, type ConnectRequest } from '../core/identity/principal.ts'
import { FAN_OUT } from '../core/delivery/fan-out-tree.ts'
import { scatterGather, type ShardResult } from '../core/delivery/scatter-gather.ts'
import { parseError, toHttp, type RigelError } from '../core/errors.ts'
import type { ShardCommandResults, ShardCommand } from './shard-commands.ts'

const CONNECT_HEADER = 'rigel-connect'
const ERROR_HEADER = 'rigel-error'

const exactNumber = z.strictObject({ number: z.string() })
const scalar = z.union([z.string(), z.number(), z.boolean(), z.null(), exactNumber])
const bound = z.union([z.string(), z.number(), exactNumber]).optional()
const condition = z.union([
  scalar,
  z.strictObject({
    gt: bound,
    gte: bound,
    lt: bound,
    lte: bound,
    ne: scalar.optional(),
    in: z.array(scalar).optional(),
    prefix: z.string().optional(),
  }),
])

const subscriptions = z.array(z.object({ eventType: z.string(), oneOf: z.array(z.record(z.string(), condition)) }))

const shardMap = z.object({
  version: z.number(),
  shards: z.number(),
  change: z.object({ from: z.number(), phase: z.enum(['adopting', 'writing_both', 'moving', 'ending']) }).nullable(),
  wanted: z.number(),
})

const patterns = z.array(z.string()).optional()
const grant = z.object({
  hasToken: z.boolean(),
  roles: z.array(z.string()),
  scopes: z.array(z.string()),
  claims: z.record(z.string(), condition),
  only: z.object({ subscribe: patterns, history: patterns, publish: patterns }).optional(),
})

/** What a page of history is read by. */
export type HistoryRequest = Pick<
  ConnectRequest,
  'principal' | 'subscriptions' | 'lastEventId' | 'sinceMs' | 'atPosition' | 'shardMap' | 'grant' | 'inferred'
>

const connectSchema: z.ZodType<ConnectRequest> = z.object({
  transport: z.enum(TRANSPORTS),
  principal: z.object({
    user: z.string().nullable(),
    session: z.string().nullable(),
    expSeconds: z.number().nullable(),
  }),
  subscriptions,
  inferred: subscriptions.optional(),
  lastEventId: z.string().nullable(),
  asOf: z.string().optional(),
  sinceMs: z.number().optional(),
  atPosition: z.boolean().optional(),
  protocol: z.enum(['rigel.v1', 'phoenix']).nullable(),
  allowOrigin: z.string(),
  allowCredentials: z.boolean().optional(),
  naming: z.enum(['type', 'message']).optional(),
  grant: grant.optional(),
  phoenix: z
    .object({
      vsn: z.union([z.literal(1), z.literal(2)]),
      roles: z.array(z.string()),
      meta: z.record(z.string(), z.unknown()),
    })
    .optional(),
  shardMap: shardMap.optional(),
})

/** Returns the stub of the UserShard object with this number. */
export function shardStub(env: Env, shard: number) {
  return env.USER_SHARD.getByName(`shard-${shard}`)
}

/** The answer to a poll: events verbatim, oldest first, and the position to poll from next. */
export interface PollAnswer {
  readonly lastEventId: string
  readonly events: readonly string[]
  /** False: there was a gap before these events, because the position given was too old or of another log. */
  readonly recovered: boolean
}

/** Events that are stored already, oldest first. */
export interface HistoryPage {
  readonly events: readonly { readonly id: string; readonly json: string }[]
  /** The position to read on from, or to connect with. */
  readonly lastEventId: string
  /** All events that the client may get are stored from then on, in milliseconds since the epoch. Null: not of all types. */
  readonly completeSinceMs: number | null
  /** There are later events, or some that were not read yet. */
  readonly hasMore: boolean
}

/** Returns the sender that calls shards through their stubs. Its calls throw what the shard throws. */
export function createShardSender(env: Env): ShardSender {
  return {
    append: async (shard, batch) => shardStub(env, shard).append([batch]),
    relay: async (shard, batch) => shardStub(env, shard).relay(batch),
  }
}

/** Runs a command on each of `shards`, by a tree of calls. Never throws: a shard that does not answer is a result too. */
export function broadcastCommand<K extends ShardCommand['kind']>(
  env: Env,
  shards: readonly number[],
  command: Extract<ShardCommand, { kind: K }>,
  fanOut = FAN_OUT,
): Promise<readonly ShardResult<ShardCommandResults[K]>[]> {
  const call = async (shard: number, group: readonly number[]) =>
    (await shardStub(env, shard).answer(command, group, fanOut)) as readonly ShardResult<ShardCommandResults[K]>[]
  return scatterGather(call, shards, fanOut, (shard, error) => ({ shard, ok: false, error }))
}

/** Returns the request that opens a connection at a shard. `shardStub(...).fetch` of it returns the client's stream or socket. */
export function stampConnect(connect: ConnectRequest): Request {
  const headers = new Headers({ [CONNECT_HEADER]: encodeURIComponent(JSON.stringify(connect)) })
  if (UPGRADED_TRANSPORTS.has(connect.transport)) headers.set('upgrade', 'websocket')
  return new Request(`https://shard/${connect.transport}`, { headers })
}

/** Parses a request that `stampConnect` made. Returns undefined for any other request, which is then refused. */
export function readConnect(request: Request): ConnectRequest | undefined {
  const header = request.headers.get(CONNECT_HEADER)
  if (header === null) return undefined
  try {
    return connectSchema.safeParse(JSON.parse(decodeURIComponent(header))).data
  } catch {
    return undefined
  }
}

/** Returns a shard's refusal as a response. The Worker makes another one of it for the client, with the right headers. */
export function stampError(error: RigelError): Response {
  const { message, status } = toHttp(error)
  return new Response(message, { status, headers: { [ERROR_HEADER]: encodeURIComponent(JSON.stringify(error)) } })
}

/** Parses a shard's refusal. Returns undefined if the shard did not refuse, or its version has an error that this one lacks. */
export function readError(response: Response): RigelError | undefined {
  const header = response.headers.get(ERROR_HEADER)
  return header === null ? undefined : parseError(decodeURIComponent(header))
}
