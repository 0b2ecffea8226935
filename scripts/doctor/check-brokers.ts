// Checks brokers by Kafka's protocol: each bootstrap address, each advertised address, topics and ACLs. Uses the code
// of src/kafka. Creates nothing and produces nothing. Called by doctor.ts.
import type { BrokersConfig } from '../../src/config/kafka-brokers.ts'
import { createSaslMechanism } from '../../src/kafka/create-sasl.ts'
import { findCoordinator } from '../../src/kafka/protocol/api/groups.ts'
import { metadata, type MetadataResponse, type TopicMetadata } from '../../src/kafka/protocol/api/metadata.ts'
import { ConnectionPool } from '../../src/kafka/protocol/connection-pool.ts'
import {
  AuthenticationError,
  BrokerError,
  isRetriable,
  UNKNOWN_TOPIC_OR_PARTITION,
} from '../../src/kafka/protocol/errors.ts'
import type { SocketAddress } from '../../src/kafka/protocol/socket-port.ts'
import { checkTopic, OPERATION, type TopicState } from './check-topics.ts'
import { messageOf, ok, problem, warning, type Finding } from './finding.ts'
import { createNodeOpener } from './node-socket.ts'
import type { TopicUse } from './topics-in-use.ts'

const TIMEOUT_MS = 10_000

export interface BrokersQuestion {
  readonly brokers: BrokersConfig
  readonly uses: readonly TopicUse[]
  readonly groupId: string | null
}

export async function checkBrokers({ brokers, groupId, uses }: BrokersQuestion): Promise<readonly Finding[]> {
  if (brokers.vpcNetwork !== null) {
    const text = 'is only reachable from Cloudflare: brokers and topics were not checked'
    return [warning('KAFKA_VPC_NETWORK', text, 'look at /_rig/api/health after the deploy')]
  }
  const nowMs = () => Date.now()
  const pool = new ConnectionPool({
    open: createNodeOpener(brokers.tls),
    authentication: { mechanism: createSaslMechanism(brokers, nowMs), timeoutMs: TIMEOUT_MS, nowMs },
    nowMs,
  })
  const topics = [...new Set(uses.map(({ topic }) => topic))]
  const ask = async (address: SocketAddress) =>
    (await pool.get(address, 'control')).send(metadata, { topics, create: false, withOperations: true }, TIMEOUT_MS)
  const findings: Finding[] = []
  let answer: MetadataResponse | undefined
  for (const address of brokers.bootstrap) {
    try {
      answer = await ask(address)
      findings.push(ok(`broker ${nameOf(address)}`, `answers, and knows ${answer.brokers.length} brokers`))
    } catch (error) {
      findings.push(problem(`broker ${nameOf(address)}`, messageOf(error), adviceFor(error, brokers)))
    }
  }
  if (answer === undefined) return findings
  findings.push(...(await checkAdvertised(answer, brokers, ask)))
  const states = new Map(answer.topics.map((topic) => [topic.name, toState(topic)]))
  findings.push(...uses.map((use) => checkTopic(use, states.get(use.topic))))
  const [first] = brokers.bootstrap
  if (groupId !== null && first !== undefined)
    findings.push(await checkGroup(groupId, () => pool.get(first, 'control')))
  return findings
}

/**
 * Checks advertised addresses, to which clients connect. They are often wrong for clients outside the brokers'
 * network.
 */
async function checkAdvertised(
  answer: MetadataResponse,
  { bootstrap }: BrokersConfig,
  ask: (address: SocketAddress) => Promise<unknown>,
): Promise<readonly Finding[]> {
  const others = answer.brokers.filter((one) => !bootstrap.some((known) => nameOf(known) === nameOf(one)))
  return Promise.all(
    others.map(async (address) => {
      const subject = `broker ${nameOf(address)}`
      try {
        await ask(address)
        return ok(subject, 'advertised by the others, answers')
      } catch (error) {
        const todo = 'correct advertised.listeners of this broker: clients connect to the address that it advertises'
        return problem(subject, `advertised by the others: ${messageOf(error)}`, todo)
      }
    }),
  )
}

function toState({ errorCode, operations, partitions, name }: TopicMetadata): TopicState | undefined {
  if (errorCode === UNKNOWN_TOPIC_OR_PARTITION) return undefined
  const may = (operation: number) => (operations === null ? null : ((operations >> operation) & 1) === 1)
  return {
    partitions: partitions.length,
    leaderless: partitions.filter(({ leader }) => leader < 0).length,
    mayRead: may(OPERATION.read),
    mayWrite: may(OPERATION.write),
    error: errorCode === 0 ? null : new BrokerError(errorCode, `describing ${name}`).message,
  }
}

async function checkGroup(group: string, connect: () => ReturnType<ConnectionPool['get']>): Promise<Finding> {
  const subject = `group ${group}`
  const todo = `kafka-acls --add --allow-principal User:… --operation Read --group ${group}; or unset KAFKA_GROUP_ID`
  try {
    const { errorCode, message } = await (await connect()).send(findCoordinator, group, TIMEOUT_MS)
    if (errorCode === 0) return ok(subject, 'has a coordinator')
    const error = new BrokerError(errorCode, 'finding its coordinator', message)
    // Kafka creates the coordinators with the first group of a cluster, which takes some seconds.
    return isRetriable(error)
      ? ok(subject, `has no coordinator yet: ${error.message}`)
      : warning(subject, error.message, todo)
  } catch (error) {
    return warning(subject, messageOf(error), todo)
  }
}

function adviceFor(error: unknown, { sasl, tls }: BrokersConfig): string {
  if (error instanceof AuthenticationError) return 'correct KAFKA_SASL: mechanism, user or password'
  const text = messageOf(error)
  if (/certificate|self.signed|altnames/i.test(text)) {
    return 'Workers trust public authorities only: give the listener a certificate of one, for this host name'
  }
  if (/ENOTFOUND|EAI_AGAIN/.test(text)) return 'correct the host name in KAFKA_BROKERS'
  if (/ECONNREFUSED|no answer/.test(text)) return 'correct the address, or open the port for this machine'
  if (tls) return 'is this the TLS port? Without TLS unset KAFKA_SSL_ENABLED'
  return sasl === null
    ? 'does this port need TLS (KAFKA_SSL_ENABLED) or SASL (KAFKA_SASL)?'
    : 'does this port need TLS (KAFKA_SSL_ENABLED=true)?'
}

function nameOf({ host, port }: SocketAddress): string {
  return `${host}:${port}`
}
