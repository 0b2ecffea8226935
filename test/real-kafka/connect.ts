// The protocol of src/kafka against a test cluster, in Node: a Cluster with Node's sockets, and everything in a partition.
import type { LogRecord } from '../../src/core/events/kafka-record.ts'
import type { Fetched } from '../../src/kafka/kafka-log.ts'
import { Cluster } from '../../src/kafka/protocol/cluster.ts'
import { PartitionFetcher } from '../../src/kafka/protocol/partition-fetcher.ts'
import type { SaslMechanism } from '../../src/kafka/protocol/auth/sasl.ts'
import type { OpenSocket } from '../../src/kafka/protocol/socket-port.ts'
import { createNodeOpener } from './node-socket.ts'

export interface ConnectOptions {
  readonly mechanism?: SaslMechanism
  readonly ca?: string
  readonly open?: OpenSocket
}

export function connectTo(brokers: string, { mechanism, ca, open }: ConnectOptions = {}): Cluster {
  const nowMs = () => Date.now()
  return new Cluster({
    bootstrap: brokers.split(',').map((broker) => {
      const [host = '', port] = broker.split(':')
      return { host, port: Number(port) }
    }),
    open: open ?? createNodeOpener(ca),
    authentication: { mechanism: mechanism ?? null, timeoutMs: 10_000, nowMs },
    nowMs,
    random: () => Math.random(),
    sleep: (ms) => new Promise((resolve) => setTimeout(resolve, ms)),
  })
}

export const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)
export const text = (value: Uint8Array | null | undefined): string | null =>
  value ? new TextDecoder().decode(value) : null

/** From an offset to the end, in fetches of `maxBytes`. */
export async function readAll(cluster: Cluster, topic: string, partition = 0, from = 0, maxBytes = 1_048_576) {
  const fetcher = new PartitionFetcher(cluster)
  const records: LogRecord[] = []
  for (let offset = from; ;) {
    const fetched = await fetcher.fetch({ topic, partition, offset }, { maxWaitMs: 200, maxBytes })
    if (fetched.kind !== 'records') throw new Error(fetched.kind)
    if (fetched.next === offset) return records
    records.push(...fetched.records)
    offset = fetched.next
  }
}

export function isRecords(fetched: Fetched): fetched is Extract<Fetched, { kind: 'records' }> {
  return fetched.kind === 'records'
}
