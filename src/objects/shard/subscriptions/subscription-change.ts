// Other subscriptions for an open connection, as its client sends them, and the token that came with them. Pure.
import type { MergedPrincipal } from '../../../core/identity/principal.ts'
import type { RigelError } from '../../../core/errors.ts'
import type { TypeGrant } from '../../../core/rules/type-grant.ts'
import type { Subscription } from '../../../core/subscriptions/subscription.ts'
import type { ConnectionState, Term } from '../connections/connection-state.ts'

export interface SubscriptionChange {
  readonly subscriptions: readonly Subscription[]
  /** The part of `subscriptions` that a token implies. */
  readonly inferred: readonly Subscription[]
  /** The principal of the token that came with the change. `expSeconds` is null if no token came. */
  readonly principal: MergedPrincipal
  /** The offsets of the client's state of what it subscribes to, as `parseAsOf` takes them. */
  readonly asOf?: string | undefined
  /** What that token permits by rules per event type. Undefined: no token came, or nothing is restricted. */
  readonly grant?: TypeGrant | undefined
  /** What else a new token of the connection changes, at the same time: with the rights of both, tables would be sent twice. */
  readonly renewed?: Term & Pick<ConnectionState, 'grant'>
  /** Resolves to why a check service refuses the change, or to undefined. Absent: it was asked before, or there is none. */
  readonly askService?: () => Promise<RigelError | undefined>
}

/** Returns the sessions of the token that came with a change. */
export function sessionsOf({ moreSessions = [], session }: MergedPrincipal): readonly string[] {
  return session === null ? moreSessions : [session, ...moreSessions]
}

/** A connection belongs to every session whose token was used on it, and ends with any of them, as in RIG. */
export function withSessions<T extends { readonly sessions: readonly string[] }>(
  owner: T,
  sessions: readonly string[],
): T {
  if (sessions.every((session) => owner.sessions.includes(session))) return owner
  return { ...owner, sessions: [...new Set([...owner.sessions, ...sessions])] }
}
