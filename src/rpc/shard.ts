// How the Worker and other objects call a shard: its stub, and how a connect request and a refusal are encoded. The request
// to a shard is a new one, so that no header of a client can reach the shard.
import type { AppendBatch } from '../core/delivery/batch-codec.ts'
import type { ShardSender } from '../core/delivery/fan-out-tree.ts'
import { TRANSPORTS, UPGRADED_TRANSPORTS, type ConnectRequest } from '../core/identity/principal.ts'
import { FAN_OUT } from '../core/delivery/fan-out-tree.ts'
import { scatterGather, type ShardResult } from '../core/delivery/scatter-gather.ts'
import { parseError, toHttp, type RigelError } from '../core/errors.ts'
import { isObject } from '../core/json.ts'
import type { ShardCommandResults, ShardCommand } from './shard-commands.ts'
import { locationOf } from '../config/operation/placement.ts'
import { configOf } from '../config/parse-config.ts'
import { objectStub } from './object-stub.ts'

const CONNECT_HEADER = 'rigel-connect'
const ERROR_HEADER = 'rigel-error'

/** Events of tables from before a shard wanted them. */
export interface FillBatch extends AppendBatch {
  /**
   * By type: the shard gets events from this offset on as they come. `fillId`: of the filling that they are for; absent from followers
   * of versions before.
   */
  readonly upTo: readonly (readonly [type: string, offset: number, fillId?: string])[]
}

/** What a page of history is read by. */
export type HistoryRequest = Pick<
  ConnectRequest,
  'principal' | 'subscriptions' | 'lastEventId' | 'sinceMs' | 'atPosition' | 'shardMap' | 'grant' | 'inferred'
>

/** What a header cannot carry, and `%`: versions before 0.2 decode percent escapes, of which there must be none. */
const UNSAFE = /[^\x20-\x24\x26-\x7e]/g

/** Returns the stub of the UserShard object with this number. */
export function shardStub(env: Env, shard: number) {
  return objectStub(env, env.USER_SHARD, `shard-${shard}`, locationOf(configOf(env).placement, shard))
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
    append: (shard, batch) => shardStub(env, shard).append([batch]),
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

/**
 * Returns the request that opens a connection at a shard: `shardStub(...).fetch(...stampConnect(connect))` returns the client's stream or
 * socket. No Request: `fetch` makes one of whatever it is given, also of a Request.
 */
export function stampConnect(connect: ConnectRequest): readonly [url: string, init: RequestInit] {
  const { authorization, ...rest } = connect
  const headers = {
    // The runtime drops empty headers, so that null, a client without a token, is beside the other members.
    [CONNECT_HEADER]: toAsciiJson(authorization === null ? connect : rest),
    // A header that logs of the platform redact.
    ...(typeof authorization === 'string' ? { authorization } : {}),
  }
  const isUpgraded = UPGRADED_TRANSPORTS.has(connect.transport)
  return [
    `https://shard/${connect.transport}`,
    { headers: isUpgraded ? { ...headers, upgrade: 'websocket' } : headers },
  ]
}

/** Parses a request that `stampConnect` made. Returns undefined for any other request, which is then refused. */
export function readConnect(request: Request): ConnectRequest | undefined {
  const header = request.headers.get(CONNECT_HEADER)
  if (header === null) return undefined
  try {
    // Versions before 0.2 write percent escapes.
    const connect: unknown = JSON.parse(header.startsWith('%') ? decodeURIComponent(header) : header)
    const authorization = request.headers.get('authorization')
    if (!isConnectRequest(connect)) return undefined
    return authorization === null ? connect : { ...connect, authorization: authorization || null }
  } catch {
    return undefined
  }
}

/** Only the Worker writes it, from a ConnectRequest that it has validated: its parts are not validated once more. */
function isConnectRequest(value: unknown): value is ConnectRequest {
  return isObject(value) && TRANSPORTS.some((name) => name === value['transport']) && isObject(value['principal'])
}

function toAsciiJson(value: object): string {
  return JSON.stringify(value).replaceAll(UNSAFE, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`)
}

/** Returns a shard's refusal as a response. The Worker makes another one of it for the client, with the right headers. */
export function stampError(error: RigelError): Response {
  const { message, status } = toHttp(error)
  return new Response(message, { status, headers: { [ERROR_HEADER]: encodeURIComponent(JSON.stringify(error)) } })
}

/** Parses a shard's refusal. Returns undefined if the shard did not refuse, or its version has an error that this one lacks. */
export function readError(response: Response): RigelError | undefined {
  // Most do not refuse, and the runtime makes the headers' object when it is asked for them.
  if (response.status < 400) return undefined
  const header = response.headers.get(ERROR_HEADER)
  return header === null ? undefined : parseError(decodeURIComponent(header))
}
