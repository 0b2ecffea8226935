// The state of the followers, the Directory and the shards as they are now: GET /_rig/api/health and
// /_rig/api/v3/followers. Calls every object. This must work while the log is out of reach (then only the followers
// that the Directory knows are called), and while objects fail because their disk is full or a file is broken. Called
// by admin-api.ts.
import { withTimeout } from '../../core/time/timeout.ts'
import type { Context } from 'hono'
import { followedTopics, isFollowedHere } from '../../config/sources/topic-roles.ts'
import { partitionName, type TopicPartition } from '../../core/events/kafka-record.ts'
import { directoryStub } from '../../rpc/directory.ts'
import { embeddedBrokerStub } from '../../rpc/embedded-kafka.ts'
import { registryProblems } from '../../rpc/session-registry.ts'
import { broadcastCommand } from '../../rpc/shard.ts'
import { allShards } from './operations.ts'
import { followerStatuses, type FollowerStatus } from '../../rpc/follower.ts'
import { createEventLog } from '../../sources/create-event-log.ts'
import { listFollowedTopics } from '../../sources/followed-topics.ts'
import type { HttpEnv } from '../worker-context.ts'

const OUTDATED = 'has the interest of a Directory whose storage was lost; it gets the new interest within a minute'

/** A log that is out of reach may take longer to fail. */
const LIST_TIMEOUT_MS = 3_000

type FollowerSummary = TopicPartition & FollowerStatus

interface Report {
  /** In the order of topics and partitions. */
  readonly followers: readonly FollowerSummary[]
  /** A line for each follower that did not answer, or that has the interest of a Directory whose storage was lost. */
  readonly problems: readonly string[]
  /** A line for each topic without a known follower, with the reason why the log could not list its partitions. */
  readonly unlisted: readonly string[]
}

async function report(c: Context<HttpEnv>): Promise<Report> {
  const [directory, lists] = await Promise.all([askDirectory(c.env), listPartitions(c)])
  const { known, epoch } = directory
  const all = [...known, ...lists.flatMap(({ partitions }) => partitions)]
  const byName = new Map(all.map((at) => [partitionName(at), at]))
  const results = (await followerStatuses(c.env, [...byName.values()])).toSorted(byPlace)
  const followers = results.flatMap(({ partition, topic, ...result }): readonly FollowerSummary[] =>
    result.ok ? [{ topic, partition, ...result.value }] : [],
  )
  const silent = results.flatMap((result) => (result.ok ? [] : [`${partitionName(result)}: ${result.error}`]))
  const outdated = followers
    .filter(({ interest }) => epoch !== null && interest !== null && interest.epoch !== epoch)
    .map((follower) => `${partitionName(follower)}: ${OUTDATED}`)
  const unlisted = lists.flatMap(({ topic, problem }) => {
    const isFollowed = all.some((at) => at.topic === topic)
    return problem === null || isFollowed ? [] : [`${topic}: its partitions cannot be listed: ${problem}`]
  })
  return { followers, problems: [...directory.problems, ...silent, ...outdated], unlisted }
}

/** Returns the Directory's followers and epoch, or why it does not answer. */
async function askDirectory(env: Env): Promise<{
  readonly known: readonly TopicPartition[]
  readonly epoch: string | null
  readonly problems: readonly string[]
}> {
  try {
    const directory = directoryStub(env)
    const [known, { epoch }] = await Promise.all([
      directory.followers(),
      directory.interestVersion(),
      directory.checkStorage(),
    ])
    return { known, epoch, problems: [] }
  } catch (error) {
    return { known: [], epoch: null, problems: [`directory: ${String(error)}`] }
  }
}

/** Returns a line for each shard that does not answer, or whose storage takes no writes. */
async function shardProblems(c: Context<HttpEnv>): Promise<readonly string[]> {
  const answers = await broadcastCommand(c.env, await allShards(c.env), { kind: 'check_storage' })
  return answers.flatMap((answer) => (answer.ok ? [] : [`shard ${answer.shard}: ${answer.error}`]))
}

/** Returns a line if the embedded log is used and its broker does not answer or takes no writes. */
async function brokerProblems({ env, var: { config } }: Context<HttpEnv>): Promise<readonly string[]> {
  if (!isFollowedHere(config, config.kafka.topics[0] ?? '')) return []
  try {
    await embeddedBrokerStub(env).checkStorage()
    return []
  } catch (error) {
    return [`embedded broker: ${String(error)}`]
  }
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

/** A log that does not list its topics does not list partitions either: the followers of patterns are known by the Directory. */
async function listPartitions(c: Context<HttpEnv>): Promise<readonly Listed[]> {
  const { config } = c.var
  const log = createEventLog(c.env, config)
  const topics = await withTimeout(listFollowedTopics(config, log), LIST_TIMEOUT_MS).catch(() => followedTopics(config))
  const lists = topics.map(async (topic): Promise<Listed> => {
    try {
      const partitions = await withTimeout(log.partitions(topic), LIST_TIMEOUT_MS)
      return { topic, partitions: partitions.map((partition) => ({ topic, partition })), problem: null }
    } catch (error) {
      return { topic, partitions: [], problem: String(error) }
    }
  })
  return Promise.all(lists)
}

export async function getFollowers(c: Context<HttpEnv>): Promise<Response> {
  return c.json({ followers: (await report(c)).followers })
}

/** The runtime does not tell callers why an object does not start. Nearly always its file cannot be read. */
function explain(line: string): string {
  return line.includes('internal error; reference =')
    ? `${line} (the object does not start: its stored file may be broken, or its disk read-only; the runtime's log has the cause)`
    : line
}

/** Returns RIG's `OK`, or 503 with a line and the reason for each object that fails. */
export async function internalHealth(c: Context<HttpEnv>): Promise<Response> {
  const [{ followers, problems, unlisted }, ...others] = await Promise.all([
    report(c),
    shardProblems(c),
    brokerProblems(c),
    registryProblems(c.env),
  ])
  const failing = followers.filter(({ failures }) => failures > 0)
  const lines = failing.map(
    ({ topic, partition, failures, lastError }) => `${topic}/${partition}: failed ${failures} times: ${lastError}`,
  )
  const all = [...lines, ...problems, ...unlisted, ...others.flat()]
  return all.length === 0 ? c.text('OK') : c.text(`${all.map(explain).join('\n')}\n`, 503)
}
