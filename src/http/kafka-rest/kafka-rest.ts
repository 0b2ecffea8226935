// Upstash's Kafka REST dialect over the embedded log, under /_rig/kafka, for the `@upstash/kafka` client. Closed until
// KAFKA_USERNAME and KAFKA_PASSWORD are set, and where another Kafka is configured. The verbs of consumer groups are in
// consumer-groups.ts, bodies and errors in kafka-rest-schema.ts.
import { logIncident } from '../../telemetry/incident-log.ts'
import { Hono, type Context } from 'hono'
import { basicAuth } from 'hono/basic-auth'
import { HTTPException } from 'hono/http-exception'
import { embeddedBrokerStub, embeddedLogStub } from '../../rpc/embedded-kafka.ts'
import type { LogRecord, TopicPartition } from '../../core/events/kafka-record.ts'
import type { KafkaLog } from '../../kafka/kafka-log.ts'
import { createKafkaLog } from '../../kafka/create-kafka-log.ts'
import { commit, committed, consume, deleteConsumer } from './consumer-groups.ts'
import {
  fetchRequest,
  offsetsRequest,
  produceRequest,
  kafkaRestError,
  readJsonBody,
  toMessage,
  toNewRecord,
  type KafkaEnv,
} from './kafka-rest-schema.ts'

/** The most that a fetch returns from one partition, about. */
const MAX_FETCH_BYTES = 1_048_576

export const kafkaRest = new Hono<KafkaEnv>()
  .use(async (c, next) => {
    const { config } = c.var
    const { credentials } = config.kafka.embedded
    if ((config.kafka.upstash ?? config.kafka.rest ?? config.kafka.brokers) !== null)
      return kafkaRestError(c, 404, 'another Kafka is configured: produce to it directly')
    if (credentials === null)
      return kafkaRestError(c, 403, 'closed: set KAFKA_USERNAME and KAFKA_PASSWORD to use the embedded log over HTTP')
    c.set('log', createKafkaLog(c.env, config))
    const message = { error: 'Unauthorized: wrong username or password', status: 401 }
    return basicAuth({ ...credentials, realm: 'Rigel Kafka', invalidUserMessage: message })(c, next)
  })
  .get('/topics', async (c) => c.json(await embeddedBrokerStub(c.env).topics()))
  .get('/consumers', async (c) => c.json(await embeddedBrokerStub(c.env).consumers()))
  .get('/produce/:topic/:message', async (c) => {
    const { topic, message } = c.req.param()
    return produce(c, [{ topic, value: message, key: c.req.query('key') }], true)
  })
  .post('/produce/:topic?', async (c) => {
    const body = await readJsonBody(c)
    if (!body.ok) return body.reason
    const items = (Array.isArray(body.value) ? body.value : [body.value]).map((item: unknown) =>
      withTopic(item, c.req.param('topic')),
    )
    return produce(c, items, false)
  })
  .on(['GET', 'POST'], '/fetch', async (c) => {
    const body = await readJsonBody(c)
    if (!body.ok) return body.reason
    const parsed = fetchRequest.safeParse(body.value)
    if (!parsed.success) return kafkaRestError(c, 400, parsed.error)
    const { topic, partition, offset, topicPartitionOffsets = [], timeout } = parsed.data
    const single = topic === undefined ? [] : [{ topic, partition: partition ?? 0, offset: offset ?? 0 }]
    const positions = [...single, ...topicPartitionOffsets]
    if (positions.length === 0)
      return kafkaRestError(c, 400, 'name a topic, a partition and an offset, or topicPartitionOffsets')
    for (const position of positions) {
      const problem = await unknownPartition(c.get('log'), position)
      if (problem !== undefined) return kafkaRestError(c, 404, problem)
    }
    const limits = { maxWaitMs: timeout, maxBytes: MAX_FETCH_BYTES }
    const fetched = await Promise.all(positions.map((position) => c.get('log').fetch(position, limits)))
    const records = fetched.flatMap((one): readonly LogRecord[] => (one.kind === 'records' ? one.records : []))
    return c.json(records.map(toMessage))
  })
  .on(['GET', 'POST'], '/consume/:group/:instance/:topic?', consume)
  .post('/commit/:group/:instance', commit)
  .post('/committed/:group/:instance', committed)
  .on(['POST', 'DELETE'], '/delete-consumer/:group/:instance', deleteConsumer)
  .post('/offsets/:at', async (c) => {
    const body = await readJsonBody(c)
    if (!body.ok) return body.reason
    const parsed = offsetsRequest.safeParse({ at: c.req.param('at'), of: body.value })
    if (!parsed.success) return kafkaRestError(c, 400, parsed.error)
    for (const one of parsed.data.of) {
      const problem = await unknownPartition(c.get('log'), one)
      if (problem !== undefined) return kafkaRestError(c, 404, problem)
    }
    return c.json(
      await Promise.all(
        parsed.data.of.map(async ({ topic, partition }) => ({
          topic,
          partition,
          offset: await offsetAt(c, { topic, partition }, parsed.data.at),
        })),
      ),
    )
  })
  .all('*', (c) => kafkaRestError(c, 404, 'no such verb: see docs/configuration.md on the Upstash dialect'))
  .onError((error, c) => {
    if (error instanceof RangeError) return kafkaRestError(c, 400, error.message)
    if (error instanceof HTTPException) return error.getResponse()
    logIncident('kafka verb failed', {}, { path: c.req.path, error: String(error) })
    return kafkaRestError(c, 503, 'the embedded log is temporarily unavailable')
  })

async function produce(c: Context<KafkaEnv>, items: readonly unknown[], single: boolean): Promise<Response> {
  const parsed = produceRequest.safeParse(items)
  if (!parsed.success) return kafkaRestError(c, 400, parsed.error)
  const places = await c.get('log').produce(parsed.data.map(toNewRecord))
  const answers = places.map(({ topic, partition, offset, timestampMs }) => ({
    topic,
    partition,
    offset,
    timestamp: timestampMs,
  }))
  return c.json(single ? answers[0] : answers)
}

function withTopic(item: unknown, topic: string | undefined): unknown {
  return topic === undefined || typeof item !== 'object' || item === null ? item : { ...item, topic }
}

async function unknownPartition(log: KafkaLog, { topic, partition }: TopicPartition): Promise<string | undefined> {
  const count = (await log.partitions(topic)).length
  return partition < count ? undefined : `topic ${topic} has partitions 0 to ${count - 1}, not ${partition}`
}

async function offsetAt(
  c: Context<KafkaEnv>,
  at: TopicPartition,
  when: 'earliest' | 'latest' | number,
): Promise<number> {
  if (typeof when === 'number') return embeddedLogStub(c.env, at).offsetAt(when)
  return (await c.get('log').offsets(at.topic, at.partition))[when]
}
