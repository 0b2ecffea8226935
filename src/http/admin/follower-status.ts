// How the followers fare: GET /_rig/api/health and /_rig/api/v3/followers, and what the metrics are made of. It must answer
// best when the log does not: then those that the Directory knows are asked.
import { withTimeout } from '../../core/timeout.ts'
import type { Context } from 'hono'
import { followedTopics } from '../../config/parse-config.ts'
import { partitionName, type TopicPartition } from '../../core/events/kafka-record.ts'
import { directoryStub } from '../../rpc/directory.ts'
import { followerStatuses, type FollowerStatus } from '../../rpc/follower.ts'
import { createKafkaLog } from '../../kafka/create-kafka-log.ts'
import type { HttpEnv } from '../worker-context.ts'

const OUTDATED = 'knows the interest of a Directory whose storage is gone; it is told anew within a minute'

/** A log that is out of reach may take longer to say so. */
const LIST_TIMEOUT_MS = 3_000

export type FollowerReport = TopicPartition & FollowerStatus

interface Report {
  /** In the order of topics and partitions. */
  readonly followers: readonly FollowerReport[]
  /** A line for each follower that did not answer, or that knows an earlier life of the Directory. */
  readonly problems: readonly string[]
  /** A line for each topic of which no follower is known, with why the log could not name its partitions. */
  readonly unlisted: readonly string[]
}

export async function reportFollowers(c: Context<HttpEnv>): Promise<readonly FollowerReport[]> {
  return (await report(c)).followers
}

async function report(c: Context<HttpEnv>): Promise<Report> {
  const directory = directoryStub(c.env)
  const [known, { life }, ...lists] = await Promise.all([
    directory.followers(),
    directory.interestVersion(),
    ...listPartitions(c),
  ])
  const all = [...known, ...lists.flatMap(({ partitions }) => partitions)]
  const byName = new Map(all.map((at) => [partitionName(at), at]))
  const results = (await followerStatuses(c.env, [...byName.values()])).toSorted(byPlace)
  const followers = results.flatMap(({ partition, topic, ...result }): readonly FollowerReport[] =>
    result.ok ? [{ topic, partition, ...result.value }] : [],
  )
  const silent = results.flatMap((result) => (result.ok ? [] : [`${partitionName(result)}: ${result.error}`]))
  const outdated = followers
    .filter(({ interest }) => interest !== null && interest.life !== life)
    .map((follower) => `${partitionName(follower)}: ${OUTDATED}`)
  const unlisted = lists.flatMap(({ topic, problem }) => {
    const speaksForItself = all.some((at) => at.topic === topic)
    return problem === null || speaksForItself ? [] : [`${topic}: its partitions cannot be listed: ${problem}`]
  })
  return { followers, problems: [...silent, ...outdated], unlisted }
}

function byPlace(a: TopicPartition, b: TopicPartition): number {
  if (a.topic !== b.topic) return a.topic < b.topic ? -1 : 1
  return a.partition - b.partition
}

interface Listed {
  readonly topic: string
  readonly partitions: readonly TopicPartition[]
  readonly problem: string | null
}

function listPartitions(c: Context<HttpEnv>): readonly Promise<Listed>[] {
  const log = createKafkaLog(c.env, c.var.config)
  return followedTopics(c.var.config).map(async (topic) => {
    try {
      const partitions = await withTimeout(log.partitions(topic), LIST_TIMEOUT_MS)
      return { topic, partitions: partitions.map((partition) => ({ topic, partition })), problem: null }
    } catch (error) {
      return { topic, partitions: [], problem: String(error) }
    }
  })
}

export async function getFollowers(c: Context<HttpEnv>): Promise<Response> {
  return c.json({ followers: await reportFollowers(c) })
}

/** RIG's `OK`; or 503, and a line for each follower that does not get on, or cannot be found, with the reason. */
export async function internalHealth(c: Context<HttpEnv>): Promise<Response> {
  const { followers, problems, unlisted } = await report(c)
  const failing = followers.filter(({ failures }) => failures > 0)
  if (failing.length + problems.length + unlisted.length === 0) return c.text('OK')
  const lines = failing.map(
    ({ topic, partition, failures, lastError }) => `${topic}/${partition}: failed ${failures} times: ${lastError}`,
  )
  return c.text(`${[...lines, ...problems, ...unlisted].join('\n')}\n`, 503)
}
