// Asks a proxy for the partitions of a topic and the offset range of a partition. For all dialects except Redpanda's, which
// has no such routes (redpanda-reader.ts).
import * as z from 'zod'
import type { TopicPartition } from '../../core/events/kafka-record.ts'
import type { OffsetRange } from '../kafka-log.ts'
import { parseResponse, toError, type RestClient } from './rest-client.ts'
import { isNotFound } from './rest-error.ts'

/** Queries about topics. */
export interface TopicReader {
  /** Returns partitions in ascending order; none if the topic does not exist. */
  partitions(topic: string): Promise<readonly number[]>
  /** Returns null if the partition does not exist. */
  offsets(at: TopicPartition): Promise<OffsetRange | null>
}

const partitionList = z.array(z.object({ partition: z.number().int().min(0) }))
const offsetsSummary = z.object({ beginning_offset: z.number().int(), end_offset: z.number().int() })

/** Returns the names of all topics. Every dialect has this route. */
export async function listTopics(client: RestClient): Promise<readonly string[]> {
  return parseResponse(client, await client.request({ method: 'GET', path: '/topics' }), z.array(z.string()))
}

/** Finds partitions and offsets through the routes /topics/…/partitions and …/offsets. */
export function createTopicReader(client: RestClient): TopicReader {
  return {
    partitions: async (topic) => {
      const answer = await client.request({ method: 'GET', path: `/topics/${encodeURIComponent(topic)}/partitions` })
      if (isNotFound(toError(client, answer))) return []
      const partitions = parseResponse(client, answer, partitionList).map(({ partition }) => partition)
      return partitions.toSorted((a, b) => a - b)
    },
    offsets: async ({ topic, partition }) => {
      const path = `/topics/${encodeURIComponent(topic)}/partitions/${partition}/offsets`
      const answer = await client.request({ method: 'GET', path })
      if (isNotFound(toError(client, answer))) return null
      const { beginning_offset: earliest, end_offset: latest } = parseResponse(client, answer, offsetsSummary)
      return { earliest, latest }
    },
  }
}
