// The shard's part of "why didn't Alice get it?": whether its log has the event, and what happened at each connection
// of the user. Reads the log and the connection history; changes nothing. Called by UserShard.
import { describeCause } from '../../../core/explain/cause.ts'
import { explainConnection, type StoredPlace } from '../../../core/explain/explain-connection.ts'
import type { MatchedEvent } from '../../../core/explain/explain-match.ts'
import type { ConnectionExplanation, ShardAnswer, ShardQuestion } from '../../../rpc/explain.ts'
import type { ConnectionRegistry } from '../connections/connection-registry.ts'
import type { FoundEvent } from '../log/find-event.ts'
import type { LogStore } from '../log/log-store.ts'
import type { ConnectionHistory, RememberedConnection } from './connection-history.ts'

/** Limit of connections of one user in an answer. */
const MAX_EXPLAINED = 50

export interface ExplainParts {
  readonly connections: ConnectionRegistry
  readonly history: ConnectionHistory
  readonly logStore: LogStore
  readonly tokenOf: (connectionId: string) => string
}

export function explainEvent(parts: ExplainParts, { at, event, user }: ShardQuestion): ShardAnswer {
  const { connections, history, logStore } = parts
  const found = logStore.find(at)
  const place = found.kind === 'stored' ? { seq: found.event.seq, storedMs: found.storedMs } : null
  const asked = found.kind === 'stored' ? found.event : { ...event, connectionId: null }
  const of = user === null ? [] : [...connections.find({ user })].map((connection) => history.of(connection))
  const ended = user === null ? [] : history.endedOf(user)
  return {
    log: toPlace(found),
    matched: connections.countMatching(asked),
    knownSinceMs: history.sinceMs,
    connections: [...of, ...ended].slice(0, MAX_EXPLAINED).map((one) => explain(parts, one, asked, place)),
    refused: user === null ? [] : history.refusedOf(user),
  }
}

function explain(
  { tokenOf }: ExplainParts,
  { connectionId, facts, isAssumed }: RememberedConnection,
  event: MatchedEvent,
  place: StoredPlace | null,
): ConnectionExplanation {
  const cause = explainConnection(facts, event, place)
  return {
    connectionToken: tokenOf(connectionId),
    transport: facts.transport,
    openedAtMs: facts.openedAtMs,
    ended: facts.ended,
    writtenSeq: facts.writtenSeq,
    acknowledgedSeq: facts.acknowledgedSeq,
    isAssumed,
    cause,
    text: describeCause(cause),
  }
}

function toPlace(found: FoundEvent): ShardAnswer['log'] {
  return found.kind === 'stored' ? { kind: 'stored', seq: found.event.seq, storedMs: found.storedMs } : found
}
