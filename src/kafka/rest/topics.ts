// What a proxy knows of topics: their partitions, and the offsets that a partition has. For every dialect but Redpanda's,
// which has no such routes (redpanda-log.ts).
import { z } from 'zod'
import type { TopicPartition } from '../../core/events/kafka-record.ts'
import type { OffsetRange } from '../kafka-log.ts'
import { parseAnswer, toError, type RestClient } from './rest-client.ts'
import { isNotFound } from './rest-error.ts'

export interface Topics {
  /** In ascending order; none: there is no such topic. */
  partitions(topic: string): Promise<readonly number[]>
  /** Null: there is no such partition. */
  offsets(at: TopicPartition): Promise<OffsetRange | null>
}

const partitionList = z.array(z.object({ partition: z.number().int().min(0) }))
const offsetsSummary = z.object({ beginning_offset: z.number().int(), end_offset: z.number().int() })

export function createTopics(client: RestClient): Topics {
  return {
    partitions: async (topic) => {
      const answer = await client.ask({ method: 'GET', path: `/topics/${encodeURIComponent(topic)}/partitions` })
      if (isNotFound(toError(client, answer))) return []
      const partitions = parseAnswer(client, answer, partitionList).map(({ partition }) => partition)
      return partitions.toSorted((a, b) => a - b)
    },
    offsets: async ({ topic, partition }) => {
      const path = `/topics/${encodeURIComponent(topic)}/partitions/${partition}/offsets`
      const answer = await client.ask({ method: 'GET', path })
      if (isNotFound(toError(client, answer))) return null
      const { beginning_offset: earliest, end_offset: latest } = parseAnswer(client, answer, offsetsSummary)
      return { earliest, latest }
    },
  }
}
