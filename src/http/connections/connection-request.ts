// Shared by the PUT requests of a connection (subscriptions, metadata, token): the connection that the path names, and RIG's
// text for a bad bearer token.
import type { WorkerShardMap } from '../worker-shard-map.ts'
import { parseConnectionToken, type ConnectionAddress } from '../../core/identity/connection-token.ts'
import { revoked, type RigelError } from '../../core/errors.ts'
import { fail, ok, type Result } from '../../core/result.ts'

/** Reads the connection token of a path. */
export async function readAddress(
  token: string,
  shardMap: WorkerShardMap,
): Promise<Result<ConnectionAddress, RigelError>> {
  const address = parseConnectionToken(token)
  if (address === undefined) return fail({ kind: 'invalid_connection_token' })
  // The connection is from a time with more shards: a call would create an empty shard.
  return (await shardMap.has(address.shard)) ? ok(address) : fail({ kind: 'connection_gone' })
}

/** RIG answers a bad bearer of a PUT with 400 and this text, where connecting answers 401. Other errors stay as they are. */
export function toPutError(error: RigelError): RigelError {
  const problem = tokenProblem(error)
  if (problem === undefined) return error
  return refusedRequest(`invalid authorization header: could not decode JWT: ${problem}`)
}

export function refusedRequest(details: string): RigelError {
  return { kind: 'bad_request', message: `cannot accept subscription request: ${details}` }
}

/** Returns undefined if the error is not about the token. */
function tokenProblem(error: RigelError): string | undefined {
  if (error.kind === 'token_expired') return 'token expired'
  if (error.kind === 'session_revoked') return revoked(error.session)
  return error.kind === 'invalid_token' ? error.message : undefined
}
