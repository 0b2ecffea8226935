// Creates a Cluster from the configuration: sockets, credentials, clock and randomness. Called by the two kinds of objects
// that keep broker connections: followers (brokers-adapter.ts) and KafkaProducer.
import { sleep } from '../core/time/timeout.ts'
import type { BrokersConfig } from '../config/kafka-brokers.ts'
import { Cluster } from './protocol/cluster.ts'
import { createSaslMechanism } from './create-sasl.ts'
import { createSocketOpener } from './protocol/socket.ts'

const CONNECT_TIMEOUT_MS = 10_000
const AUTHENTICATION_TIMEOUT_MS = 10_000

/** Injected so that tests can control time and chance. */
export interface ClockAndRandom {
  readonly nowMs: () => number
  /** In [0, 1). */
  readonly random: () => number
}

/**
 * Returns the cluster of `brokers`. `env` has the VPC network binding that `brokers` names. Opens no connection before
 * the first request.
 */
export function createCluster(env: object, brokers: BrokersConfig, { nowMs, random }: ClockAndRandom): Cluster {
  return new Cluster({
    bootstrap: brokers.bootstrap,
    open: createSocketOpener({ tls: brokers.tls, timeoutMs: CONNECT_TIMEOUT_MS, ...networkOf(env, brokers) }),
    authentication: { mechanism: createSaslMechanism(brokers, nowMs), timeoutMs: AUTHENTICATION_TIMEOUT_MS, nowMs },
    nowMs,
    random,
    sleep,
  })
}

function networkOf(env: object, { vpcNetwork }: BrokersConfig): { network?: Pick<Fetcher, 'connect'> } {
  if (vpcNetwork === null) return {}
  // config/kafka-brokers.ts has checked that the binding is there.
  const network = (env as Readonly<Record<string, Fetcher>>)[vpcNetwork]
  if (network === undefined) throw new TypeError(`there is no binding ${vpcNetwork}`)
  return { network }
}
