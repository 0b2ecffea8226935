// Opens a connection of any transport: the last checks before and after admission, and the counts and history of what was
// refused. Called by UserShard.
import type { ConnectRequest } from '../../../core/identity/principal.ts'
import type { RigelError } from '../../../core/errors.ts'
import { fail, ok, type Result } from '../../../core/result.ts'
import type { Shard } from '../create-shard.ts'
import type { Opening } from './connection-state.ts'

/** Opens a connection of `connect.transport`, in a way that its transport has. A session is a connection without a socket. */
export async function openConnection(
  shard: Shard,
  connect: ConnectRequest,
  way: 'socket' | 'session',
  open: (opening: Opening) => Response,
): Promise<Result<{ readonly connectionId: string; readonly response: Response }, RigelError>> {
  const admitted = await admit(shard, connect, way)
  if (!admitted.ok) {
    shard.metrics.refused(admitted.reason)
    if (!isElsewhere(admitted.reason)) shard.history.refused(connect.principal.user, admitted.reason)
    return admitted
  }
  return ok({ connectionId: admitted.value.state.id, response: open(admitted.value) })
}

/** Whether the Worker tries another shard: the client sees nothing of it. */
export function isElsewhere({ kind }: RigelError): boolean {
  return kind === 'wrong_shard' || kind === 'moved'
}

/** Opens a session. Resolves when the events that greet its client are stored: its first poll returns them. */
export async function openSession(
  shard: Shard,
  connect: ConnectRequest,
  open: (opening: Opening) => Response,
): Promise<Result<{ readonly connectionToken: string }, RigelError>> {
  const opened = await openConnection(shard, connect, 'session', open)
  if (!opened.ok) return opened
  await shard.log.settle()
  return ok({ connectionToken: shard.lifecycle.tokenOf(opened.value.connectionId) })
}

async function admit(
  shard: Shard,
  connect: ConnectRequest,
  way: 'socket' | 'session',
): Promise<Result<Opening, RigelError>> {
  const placed = checkPlace(shard, connect, way)
  if (!placed.ok) return placed
  if (!(await shard.openings.enter(connect.principal.user, way)))
    return fail({ kind: 'too_many_connections', scope: 'minute' })
  const admitted = await shard.admission.admit(connect)
  if (!admitted.ok) return admitted
  // Others were admitted while this one waited.
  const still = shard.connections.check(connect.principal)
  if (!still.ok) return still
  const stillPlaced = checkPlace(shard, connect, way)
  return stillPlaced.ok ? admitted : stillPlaced
}

function checkPlace(
  { context, log, tokenless }: Shard,
  connect: ConnectRequest,
  way: 'socket' | 'session',
): Result<null, RigelError> {
  if (connect.atPosition === true && !log.ownsText(connect.lastEventId)) return fail({ kind: 'wrong_shard' })
  return way === 'session' ? tokenless.check(connect, context.now()) : ok(null)
}
