// Commands that tests send to bridges.ts, and its answers. Types only: tests run in workerd, the bridges in Node.
import type { AppendRecord } from '../../scripts/kafka/bridge-backend.ts'
import type { Failure, Fault } from '../../scripts/kafka/bridge-options.ts'

export interface BridgeState {
  readonly port: number
  readonly requests: readonly { readonly method: string; readonly path: string; readonly status: number }[]
  /** How many consumer instances there are. */
  readonly instances: number
  readonly hosts: readonly string[]
}

/** A command, as JSON: one of these fields per request. */
export interface BridgeCommand {
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
