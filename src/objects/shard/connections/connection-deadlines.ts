// When connections need work: a warning that the token expires, the withdrawal of what a token permitted, their end. Pure. The
// shard's maintenance and ConnectionLifecycle call it. Times are milliseconds since the epoch.
import type { Connection } from './connection.ts'

/** Returns when a connection next needs work. `warningMs`: how long before its end its client is told that the token expires. */
export function dueMs({ isWarned, state }: Connection, warningMs: number): number {
  const endsAtMs = state.endsByToken && !isWarned ? state.endsAtMs - warningMs : state.endsAtMs
  return Math.min(endsAtMs, state.grantEndsAtMs ?? Infinity)
}

/** Returns the earliest time at which one of them needs work; Infinity if there are none. */
export function nextDueMs(connections: Iterable<Connection>, warningMs: number): number {
  let next = Infinity
  for (const connection of connections) next = Math.min(next, dueMs(connection, warningMs))
  return next
}

/** Returns those whose token is about to expire and whose client has not been warned. */
export function toWarnAt(connections: Iterable<Connection>, nowMs: number, warningMs: number): readonly Connection[] {
  return [...connections].filter(
    ({ isWarned, state }) => !isWarned && state.endsByToken && state.endsAtMs - warningMs <= nowMs,
  )
}

/** Returns those whose subscriptions came with a token that has expired. */
export function withEndedGrant(connections: Iterable<Connection>, nowMs: number): readonly Connection[] {
  return [...connections].filter(({ state }) => state.grantEndsAtMs !== null && state.grantEndsAtMs <= nowMs)
}

/** Returns those whose time is over. */
export function dueAt(connections: Iterable<Connection>, nowMs: number): readonly Connection[] {
  return [...connections].filter(({ state }) => state.endsAtMs <= nowMs)
}
