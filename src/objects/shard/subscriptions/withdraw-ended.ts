// Withdraws the subscriptions of tokens that have expired, on connections that outlive them. Called by maintenance.
import { fieldsOf } from '../../../core/events/extractors.ts'
import type { Subscription } from '../../../core/subscriptions/subscription.ts'
import type { Connection } from '../connections/connection.ts'
import { withEndedGrant } from '../connections/connection-deadlines.ts'
import type { ConnectionLifecycle } from '../connections/connection-lifecycle.ts'
import type { ConnectionRegistry } from '../connections/connection-registry.ts'
import type { ShardContext } from '../shard-context.ts'
import { envelope, subscriptionsSet } from '../system-events.ts'

interface WithdrawParts {
  readonly connections: ConnectionRegistry
  readonly lifecycle: ConnectionLifecycle
}

/** Withdraws the subscriptions that came with a token that has expired. Returns whether there were any. */
export function withdrawEnded(
  context: ShardContext,
  { connections, lifecycle }: WithdrawParts,
  nowMs: number,
): boolean {
  const ended = withEndedGrant(connections.all(), nowMs)
  for (const connection of ended) {
    const subscriptions = withoutToken(context.config, connection)
    lifecycle.update(connection, { subscriptions, inferred: [], grantEndsAtMs: null, lateGrant: null })
    connection.send(subscriptionsSet(envelope(context), subscriptions))
  }
  return ended.length > 0
}

/** Returns the subscriptions that need no token: a token neither implies nor restricts them, and they are allowed without. */
function withoutToken(
  { extractors, subscriptionCheck }: ShardContext['config'],
  { state }: Connection,
): readonly Subscription[] {
  if (subscriptionCheck !== 'no_check') return []
  const inferred = new Set(state.inferred.map((subscription) => JSON.stringify(subscription)))
  return state.subscriptions.filter(
    (subscription) =>
      !inferred.has(JSON.stringify(subscription)) &&
      !fieldsOf(extractors, subscription.eventType).some(({ enforced }) => enforced),
  )
}
