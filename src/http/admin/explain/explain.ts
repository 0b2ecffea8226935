// GET /_rig/api/v1/explain?event=&user=: why did the user get this event, or why not? Reads the record again and
// decodes, routes and matches it as before; the shard returns what happened at each connection. Nothing is recorded per
// event, because events are stored before they are sent. `npm run explain` and the console show the answer.
import type { Context } from 'hono'
import { connectingGroups, homeOf } from '../../../core/shard-map/shard-map.ts'
import type { LogPosition, LogRecord } from '../../../core/events/kafka-record.ts'
import { bestOf, describeCause, verdictOf, type Cause } from '../../../core/explain/cause.ts'
import { parseJson } from '../../../core/json.ts'
import { explainRecord, topicReadsKey, type ExplainedEvent } from '../../../following/explain-record.ts'
import { prefetchSchemas } from '../../../following/prefetch-schemas.ts'
import type { ShardAnswer } from '../../../rpc/explain.ts'
import { followerStub, type FollowerStatus } from '../../../rpc/follower.ts'
import { shardStub } from '../../../rpc/shard.ts'
import { createSchemaCache } from '../../../schema-registry/create-caches.ts'
import { errorResponse } from '../../error-response.ts'
import { exactJson } from '../../exact-json.ts'
import { workerContext, type HttpEnv } from '../../worker-context.ts'
import { allShards } from '../operations.ts'
import { explainQuery } from '../admin-schema.ts'
import { shownToken } from '../roles.ts'
import { findById, parsePlace, readPlace } from './find-record.ts'

/** Limit of shards that are called if no user is given. */
const MAX_SHARDS_ASKED = 64

const EXPECTED = 'expected ?event=<topic>/<partition>/<offset>, or the id of an event, and optionally &user='

export async function getExplanation(c: Context<HttpEnv>): Promise<Response> {
  const query = explainQuery.safeParse(c.req.query())
  if (!query.success) return errorResponse({ kind: 'bad_request', message: EXPECTED })
  const { event, user = null } = query.data
  try {
    const place = parsePlace(event)
    const read =
      place === undefined ? await findById(c.env, c.var.config, event) : await readPlace(c.env, c.var.config, place)
    if (read === undefined) {
      const message = `no event with the id ${event.slice(0, 100)} among the newest records: give its place instead, <topic>/<partition>/<offset>`
      return c.json({ message }, 404)
    }
    return exactJson(c, 'cause' in read ? { at: place, user, ...answer(read.cause) } : await explain(c, read, user))
  } catch (error) {
    return errorResponse({ kind: 'unavailable', message: `The log or a shard does not answer: ${String(error)}` })
  }
}

async function explain(c: Context<HttpEnv>, record: LogRecord, user: string | null) {
  const {
    env,
    var: { config },
  } = c
  const { offset, partition, timestampMs, topic } = record
  const at: LogPosition = { topic, partition, offset }
  const fetched = { records: [record], next: offset + 1 }
  const { schemas } = await prefetchSchemas(createSchemaCache(config), fetched, topicReadsKey(config, topic))
  const explained = explainRecord(record, config, schemas, await workerContext(env).shardMap.newest())
  const follower = await followerStub(env, at).status()
  const about = { at, timestampMs, user }
  const unread = notRead(follower, offset)
  if ('cause' in explained) return { ...about, ...answer(unread ?? explained.cause) }
  const routed = { ...about, ...describeEvent(explained) }
  if (unread !== undefined) return { ...routed, ...answer(unread) }
  return user === null
    ? { ...routed, shards: await askShards(env, at, explained) }
    : { ...routed, ...(await explainFor(c, at, explained, user)) }
}

/** Returns a cause if the follower has not read the record: its checkpoint is not past the record. */
function notRead({ counters, failures, lastError }: FollowerStatus, offset: number): Cause | undefined {
  if (counters !== null && counters.offset > offset) return undefined
  return { kind: 'not_read_yet', next: counters?.offset ?? null, failures, lastError }
}

function describeEvent({ event, fields, recipients, rule }: ExplainedEvent) {
  return {
    rule,
    event: parseJson(event.json),
    type: event.type,
    fields,
    recipients: recipients ?? 'everybody who subscribes to the type',
  }
}

async function explainFor(
  { env, var: { role } }: Context<HttpEnv>,
  at: LogPosition,
  explained: ExplainedEvent,
  user: string,
) {
  const map = await workerContext(env).shardMap.newest()
  const homes = connectingGroups(map).map((group) => homeOf(map, user, group))
  const { shard, ...shardAnswer } = ofAllGroups(
    await Promise.all(homes.map(async (home) => ({ shard: home, ...(await ask(env, at, explained, home, user)) }))),
  )
  const { log, matched, refused } = shardAnswer
  const connections = shardAnswer.connections.map((one) => ({
    ...one,
    connectionToken: shownToken(role, one.connectionToken),
  }))
  return { shard, log, matched, connections, refused, ...answer(causeFor(shardAnswer, explained, user)) }
}

interface AnswerOf extends ShardAnswer {
  readonly shard: number
}

/** A user may have connections in several groups of shards: the log is that of the shard with the most of them. */
function ofAllGroups(answers: readonly AnswerOf[]): AnswerOf {
  const [first, ...others] = answers.toSorted((a, b) => b.connections.length - a.connections.length)
  if (first === undefined) throw new TypeError('there is no shard')
  return others.reduce<AnswerOf>(
    (all, { connections, knownSinceMs, matched, refused }) => ({
      ...all,
      matched: all.matched + matched,
      knownSinceMs: Math.max(all.knownSinceMs, knownSinceMs),
      connections: [...all.connections, ...connections],
      refused: [...all.refused, ...refused].toSorted((a, b) => b.atMs - a.atMs),
    }),
    first,
  )
}

/**
 * Connections are evaluated first: a user who is not a recipient may get the event by watching one, or by a
 * subscription.
 */
function causeFor(
  { connections, knownSinceMs, log, refused }: ShardAnswer,
  explained: ExplainedEvent,
  user: string,
): Cause {
  const best = bestOf(connections.map(({ cause }) => cause))
  if (best !== undefined && verdictOf(best) !== 'not_received') return best
  const { recipients } = explained
  if (recipients !== null && !recipients.includes(user)) return { kind: 'not_addressed', recipients }
  if (log.kind === 'removed') return { kind: 'removed_from_log', floor: log.floor }
  // The shard stores whatever is addressed to its users; broadcasts only if a connection wants the type.
  if (log.kind === 'not_stored' && recipients !== null) return { kind: 'not_arrived' }
  if (best !== undefined) return best
  const [last] = refused
  if (last !== undefined) return { kind: 'refused', ...last }
  if (log.kind === 'not_stored') return { kind: 'not_wanted', type: explained.event.type }
  return { kind: 'no_connection', knownSinceMs }
}

/** The answer without a user: the state of the event at each of its shards. */
async function askShards(env: Env, at: LogPosition, explained: ExplainedEvent) {
  const { recipients } = explained
  const map = await workerContext(env).shardMap.newest()
  const homes = recipients?.flatMap((user) => connectingGroups(map).map((group) => homeOf(map, user, group)))
  const wanted = homes === undefined ? await allShards(env) : [...new Set(homes)]
  return Promise.all(
    wanted.slice(0, MAX_SHARDS_ASKED).map(async (shard) => {
      const { log, matched } = await ask(env, at, explained, shard, null)
      return { shard, log, matched }
    }),
  )
}

async function ask(
  env: Env,
  at: LogPosition,
  { event, fields, recipients }: ExplainedEvent,
  shard: number,
  user: string | null,
): Promise<ShardAnswer> {
  return shardStub(env, shard).explain({ at, event: { type: event.type, fields, recipients }, user })
}

function answer(cause: Cause) {
  return { verdict: verdictOf(cause), cause, text: describeCause(cause) }
}
