// Turns Kafka's state of the topics in use into findings. Pure. `TopicState` comes from check-brokers.ts or a REST
// proxy.
import { ok, problem, warning, type Finding } from './finding.ts'
import type { TopicUse } from './topics-in-use.ts'

export interface TopicState {
  readonly partitions: number
  /** Partitions without a leader. */
  readonly leaderless: number
  /** Whether this client may read; null: Kafka does not report it. */
  readonly mayRead: boolean | null
  readonly mayWrite: boolean | null
  /** Kafka's error, such as TOPIC_AUTHORIZATION_FAILED. */
  readonly error: string | null
}

/** KIP-430: bit n of the authorized operations is the ACL operation n. */
export const OPERATION = { read: 3, write: 4 } as const

export function checkTopic({ access, by, isVital, topic }: TopicUse, state: TopicState | undefined): Finding {
  const subject = `topic ${topic}`
  const bad = isVital ? problem : warning
  const grant = `kafka-acls --add --allow-principal User:… --operation ${access === 'read' ? 'Read' : 'Write'} --operation Describe --topic ${topic}`
  if (state === undefined) {
    const create = `kafka-topics --create --topic ${topic}; a topic that ACLs hide looks the same: ${grant}`
    // Brokers may create it when the first record comes (auto.create.topics.enable).
    const missing = access === 'read' ? bad : warning
    return missing(subject, `does not exist (${access}, for ${by})`, `create it: ${create}`)
  }
  if (state.error !== null) return bad(subject, `${state.error} (${access}, for ${by})`, grant)
  if (state.leaderless > 0) {
    const text = `${state.leaderless} of ${state.partitions} partitions have no leader`
    return problem(subject, text, 'look at the brokers: those that have its replicas are down')
  }
  const may = access === 'read' ? state.mayRead : state.mayWrite
  if (may === false) return bad(subject, `may not be ${access === 'read' ? 'read' : 'written'}, for ${by}`, grant)
  const known = may === null ? '; whether ACLs allow it is not known' : ''
  return ok(subject, `${state.partitions} partitions, ${access}, for ${by}${known}`)
}
