// The verbs of consumer groups in the Upstash dialect: consume, commit, committed, delete-consumer. The embedded broker
// keeps the groups and their offsets; the records come from the log. Called by kafka-rest.ts.
import type { Context } from 'hono'
import { partitionName, type LogPosition, type LogRecord } from '../../core/events/kafka-record.ts'
import { isObject } from '../../core/json.ts'
import { ok } from '../../core/result.ts'
import type { Assigned } from '../../objects/embedded-kafka/consumer-groups.ts'
import { embeddedBrokerStub } from '../../rpc/embedded-kafka.ts'
import type { KafkaLog } from '../../kafka/kafka-log.ts'
import {
  commitRequest,
  committedRequest,
  consumeHeaders,
  consumeRequest,
  kafkaRestError,
  readJsonBody,
  toMessage,
  type KafkaEnv,
} from './kafka-rest-schema.ts'

const MAX_BYTES = 1_048_576
const SUCCESS = { result: 'Success', status: 200 }

type GroupContext = Context<KafkaEnv>

export async function consume(c: GroupContext): Promise<Response> {
  const { group, instance, topic } = names(c)
  const isGet = c.req.method === 'GET'
  const body = isGet ? ok({ timeout: Number(c.req.query('timeout') ?? 1_000) }) : await readJsonBody(c)
  if (!body.ok) return body.reason
  const fields = isObject(body.value) ? body.value : {}
  const request = consumeRequest.safeParse({ ...fields, ...(topic === undefined ? {} : { topic }) })
  if (!request.success) return kafkaRestError(c, 400, request.error)
  const headers = consumeHeaders.safeParse({
    autoCommit: c.req.header('kafka-enable-auto-commit'),
    autoOffsetReset: c.req.header('kafka-auto-offset-reset'),
    sessionTimeoutMs: c.req.header('kafka-session-timeout-ms'),
  })
  if (!headers.success) return kafkaRestError(c, 400, headers.error)
  const { topics, timeout } = request.data
  const { autoCommit, autoOffsetReset, sessionTimeoutMs } = headers.data
  const broker = embeddedBrokerStub(c.env)
  // A client that asks for more has handled the records of its previous call.
  if (autoCommit === 'true') await broker.commit(group, null)
  const assigned = await broker.join({ group, instance, topics, sessionTimeoutMs })
  if (autoOffsetReset === 'none' && assigned.some(({ offset }) => offset === null)) {
    return kafkaRestError(c, 409, 'no committed offset, and Kafka-Auto-Offset-Reset is none')
  }
  const positions = await startPositions(c.get('log'), assigned, autoOffsetReset === 'earliest' ? 'earliest' : 'latest')
  await broker.begin(group, positions)
  const records = await read(c.get('log'), positions, timeout)
  if (records.length > 0) await broker.advance(group, endsOf(records))
  return c.json(records.map(toMessage))
}

export async function commit(c: GroupContext): Promise<Response> {
  const body = await readJsonBody(c)
  if (!body.ok) return body.reason
  const parsed = commitRequest.safeParse(body.value)
  if (!parsed.success) return kafkaRestError(c, 400, parsed.error)
  await embeddedBrokerStub(c.env).commit(names(c).group, parsed.data)
  return c.json(SUCCESS)
}

export async function committed(c: GroupContext): Promise<Response> {
  const body = await readJsonBody(c)
  if (!body.ok) return body.reason
  const parsed = committedRequest.safeParse(body.value)
  if (!parsed.success) return kafkaRestError(c, 400, parsed.error)
  const positions = await embeddedBrokerStub(c.env).committed(names(c).group, parsed.data)
  return c.json(positions.filter((position) => position !== null))
}

export async function deleteConsumer(c: GroupContext): Promise<Response> {
  const { group, instance } = names(c)
  if (await embeddedBrokerStub(c.env).leave(group, instance)) return c.json(SUCCESS)
  return kafkaRestError(c, 404, `group ${group} has no instance ${instance}`)
}

/** Returns where the group reads next, moved into the range that the log still has. */
function startPositions(
  log: KafkaLog,
  assigned: readonly Assigned[],
  reset: 'earliest' | 'latest',
): Promise<readonly LogPosition[]> {
  return Promise.all(
    assigned.map(async ({ topic, partition, offset }) => {
      const { earliest, latest } = await log.offsets(topic, partition)
      const start = offset ?? (reset === 'earliest' ? earliest : latest)
      return { topic, partition, offset: Math.min(Math.max(start, earliest), latest) }
    }),
  )
}

/** Reads all partitions; if there is nothing, waits until one of them has a record, or for `timeoutMs`. */
async function read(
  log: KafkaLog,
  positions: readonly LogPosition[],
  timeoutMs: number,
): Promise<readonly LogRecord[]> {
  const records = await fetchAll(log, positions, 0)
  if (records.length > 0 || timeoutMs === 0 || positions.length === 0) return records
  await Promise.race(positions.map((position) => log.fetch(position, { maxWaitMs: timeoutMs, maxBytes: 1 })))
  return fetchAll(log, positions, 0)
}

function endsOf(records: readonly LogRecord[]): readonly LogPosition[] {
  const byPartition = Map.groupBy(records, ({ topic, partition }) => partitionName({ topic, partition }))
  return [...byPartition.values()].flatMap((partition) => {
    const last = partition.at(-1)
    return last === undefined ? [] : [{ topic: last.topic, partition: last.partition, offset: last.offset + 1 }]
  })
}

async function fetchAll(
  log: KafkaLog,
  positions: readonly LogPosition[],
  maxWaitMs: number,
): Promise<readonly LogRecord[]> {
  const fetched = await Promise.all(
    positions.map((position) => log.fetch(position, { maxWaitMs, maxBytes: MAX_BYTES })),
  )
  return fetched.flatMap((one) => (one.kind === 'records' ? one.records : []))
}

function names(c: GroupContext): { group: string; instance: string; topic: string | undefined } {
  return { group: c.req.param('group') ?? '', instance: c.req.param('instance') ?? '', topic: c.req.param('topic') }
}
