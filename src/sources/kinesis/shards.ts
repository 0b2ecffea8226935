// The shards of a stream, as partitions: shard `shardId-000000000007` is partition 7. A split or merge ends a shard and
// creates its children, which are read after their parents.
import { isObject, type JsonObject } from '../../core/json.ts'
import { KinesisError, type KinesisCall } from './kinesis-client.ts'

/** One shard. Parents that retention has removed are left out. */
export interface StreamShard {
  readonly partition: number
  /** One after a split, two after a merge. */
  readonly parents: readonly number[]
}

/** Returns the shards of a stream in ascending order, ended ones too; undefined if there is no such stream. */
export async function listShards(call: KinesisCall, stream: string): Promise<readonly StreamShard[] | undefined> {
  const shards: StreamShard[] = []
  let body: JsonObject = { StreamName: stream, MaxResults: 1_000 }
  try {
    for (;;) {
      const answer = await call('ListShards', body)
      const list = answer['Shards']
      if (Array.isArray(list)) shards.push(...list.filter(isObject).map(toShard))
      const next = answer['NextToken']
      if (typeof next !== 'string') break
      body = { NextToken: next, MaxResults: 1_000 }
    }
  } catch (error) {
    if (error instanceof KinesisError && error.code === 'ResourceNotFoundException') return undefined
    throw error
  }
  const known = new Set(shards.map(({ partition }) => partition))
  return shards
    .map(({ parents, partition }) => ({ partition, parents: parents.filter((parent) => known.has(parent)) }))
    .toSorted((a, b) => a.partition - b.partition)
}

/** Returns the id of a partition's shard, with at least twelve digits as AWS writes it. */
export function shardIdOf(partition: number): string {
  return `shardId-${String(partition).padStart(12, '0')}`
}

function toShard(shard: JsonObject): StreamShard {
  const parents = [shard['ParentShardId'], shard['AdjacentParentShardId']]
  return {
    partition: partitionOf(shard['ShardId']),
    parents: parents.filter((id) => typeof id === 'string').map(partitionOf),
  }
}

function partitionOf(id: unknown): number {
  const digits = /^shardId-(\d{1,15})$/.exec(String(id))?.[1]
  if (digits === undefined) throw new Error(`Kinesis: ${String(id)} is not the id of a shard`)
  return Number(digits)
}
