// What tests tell bridges.ts, and hear from it. Types only: the tests are in workerd, it is in Node.
import type { AppendRecord } from '../../scripts/kafka/bridge-backend.ts'
import type { Failure, Fault } from '../../scripts/kafka/bridge-options.ts'

export interface BridgeState {
  readonly port: number
  readonly requests: readonly { readonly method: string; readonly path: string; readonly status: number }[]
  /** How many consumer instances there are. */
  readonly instances: number
  readonly hosts: readonly string[]
}

/** What a test may order, as JSON: one of these a request. */
export interface Order {
  readonly createTopic?: { readonly topic: string; readonly partitions: number }
  readonly addPartitions?: { readonly topic: string; readonly partitions: number }
  readonly removeTopic?: string
  readonly append?: { readonly topic: string; readonly partition: number; readonly records: readonly AppendRecord[] }
  readonly trim?: { readonly topic: string; readonly partition: number; readonly before: number }
  readonly compact?: { readonly topic: string; readonly partition: number; readonly offset: number }
  readonly mark?: { readonly topic: string; readonly partition: number }
  readonly fault?: Fault
  readonly failures?: readonly (Failure | null)[]
  readonly loseInstances?: true
  /** What `authorization` must be from now on. */
  readonly expect?: string
  readonly stopReplica?: number
  readonly startReplica?: number
  readonly stop?: true
  readonly start?: true
}
