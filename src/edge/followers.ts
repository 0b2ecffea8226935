// How the followers fare: GET /_rig/api/health and /_rig/api/v3/followers, and what the metrics are made of. It must answer
// best when the log does not: then those that the Directory knows are asked.
import type { Context } from 'hono'
import { followedTopics } from '../config.ts'
import type { TopicPartition } from '../core/log-record.ts'
import { directoryStub } from '../directory/door.ts'
import { followerStub } from '../ingest/door.ts'
import { openLog } from '../kafka/open-log.ts'
import type { EdgeEnv } from './isolate.ts'

/** A log that is out of reach may take longer to say so. */
const LIST_TIMEOUT_MS = 3_000

export type FollowerReport = TopicPartition & Awaited<ReturnType<ReturnType<typeof followerStub>['status']>>

/** In the order of topics and partitions. */
export async function reportFollowers(c: Context<EdgeEnv>): Promise<readonly FollowerReport[]> {
  const lists = await Promise.all([directoryStub(c.env).followers(), ...listPartitions(c)])
  const byName = new Map(lists.flat().map((at) => [`${at.topic}/${at.partition}`, at]))
  const reports = [...byName.values()].map(async (at) => ({ ...at, ...(await followerStub(c.env, at).status()) }))
  return (await Promise.all(reports)).toSorted((a, b) => (a.topic < b.topic ? -1 : 1) || a.partition - b.partition)
}

function listPartitions(c: Context<EdgeEnv>): readonly Promise<readonly TopicPartition[]>[] {
  const log = openLog(c.env, c.var.config)
  return followedTopics(c.var.config).map(async (topic) => {
    const timeout = scheduler.wait(LIST_TIMEOUT_MS).then(() => [])
    const partitions = await Promise.race([log.partitions(topic).catch(() => []), timeout])
    return partitions.map((partition) => ({ topic, partition }))
  })
}

export async function getFollowers(c: Context<EdgeEnv>): Promise<Response> {
  return c.json({ followers: await reportFollowers(c) })
}

/** RIG's `OK`; or 503, and a line for each follower that does not get on, with the reason. */
export async function internalHealth(c: Context<EdgeEnv>): Promise<Response> {
  const failing = (await reportFollowers(c)).filter(({ failures }) => failures > 0)
  if (failing.length === 0) return c.text('OK')
  const lines = failing.map(
    ({ topic, partition, failures, lastError }) => `${topic}/${partition}: failed ${failures} times: ${lastError}`,
  )
  return c.text(`${lines.join('\n')}\n`, 503)
}
