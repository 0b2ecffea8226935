// Consumes the queue: nudges, which wake followers, and events. Each message is settled by itself: acknowledged when its
// events are durable in the log, retried when the log does not take them, dead-lettered when they are no CloudEvents.
// Queues deliver at least once; a log that remembers keys stores each event once. Called by index.ts.
import { logIncident } from '../telemetry/incident-log.ts'
import * as z from 'zod'
import { configOf, type Config } from '../config/parse-config.ts'
import { parseBatch, parseStructured } from '../core/events/cloud-event.ts'
import type { CloudEvent } from '../core/events/stored-event.ts'
import type { NewRecord, TopicPartition } from '../core/events/kafka-record.ts'
import { fail, ok, type Result } from '../core/result.ts'
import { decodeUtf8 } from '../core/text.ts'
import type { KafkaLog } from '../kafka/kafka-log.ts'
import { deadLetter } from '../publishing/dead-letter.ts'
import { publishOnce } from '../publishing/publish.ts'
import { createCountedLog } from './counted-log.ts'
import { wakeFollowers } from './wake-followers.ts'

const nudgeSchema = z.object({
  nudge: z.object({ topic: z.string().optional(), partition: z.number().int().min(0).optional() }),
})

const MAX_RETRY_DELAY_SECONDS = 600

export async function consumeQueue(batch: MessageBatch, env: Env): Promise<void> {
  const config = configOf(env)
  const log = createCountedLog(env, config)
  for (const message of batch.messages) {
    try {
      await consume(message, env, config, log, batch.queue)
      message.ack()
    } catch (error) {
      const { attempts, id } = message
      logIncident('queue message not consumed', {}, { id, attempts, error: String(error) })
      message.retry({ delaySeconds: Math.min(MAX_RETRY_DELAY_SECONDS, 2 ** message.attempts) })
    }
  }
}

async function consume(
  { body, id }: Message,
  env: Env,
  config: Config,
  log: Pick<KafkaLog, 'produce'>,
  queue: string,
): Promise<void> {
  const nudge = nudgeSchema.safeParse(body)
  if (nudge.success) return void (await wakeFollowers(env, toWanted(nudge.data.nudge)))
  const text = toText(body)
  const events: Result<readonly CloudEvent[], string> =
    text === undefined ? fail('the message is not UTF-8') : parseEvents(text)
  if (events.ok) await publishOnce(log, config, `${queue}/${id}`, events.value)
  else await log.produce([undecodable(config, queue, toBytes(body, text ?? ''), events.reason)])
}

function toWanted({ topic, partition }: z.infer<typeof nudgeSchema>['nudge']): Partial<TopicPartition> {
  return { ...(topic === undefined ? {} : { topic }), ...(partition === undefined ? {} : { partition }) }
}

/**
 * A message may hold any value that can be cloned. A value that JSON cannot represent, and bytes that are not UTF-8 (undefined),
 * become a dead letter.
 */
function toText(body: unknown): string | undefined {
  if (typeof body === 'string') return body
  if (isBytes(body)) return decodeUtf8(toBytes(body, ''))
  try {
    return JSON.stringify(body ?? null)
  } catch {
    return String(body)
  }
}

function isBytes(body: unknown): body is ArrayBuffer | ArrayBufferView {
  return body instanceof ArrayBuffer || ArrayBuffer.isView(body)
}

/** Bytes as they came, else the text. */
function toBytes(body: unknown, text: string): Uint8Array {
  if (body instanceof ArrayBuffer) return new Uint8Array(body)
  if (ArrayBuffer.isView(body)) return new Uint8Array(body.buffer, body.byteOffset, body.byteLength)
  return new TextEncoder().encode(text)
}

function parseEvents(text: string): Result<readonly CloudEvent[], string> {
  if (text.trimStart().startsWith('[')) return parseBatch(text)
  const event = parseStructured(text)
  return event.ok ? ok([event.value]) : event
}

function undecodable(config: Config, queue: string, value: Uint8Array, message: string): NewRecord {
  const record = { topic: queue, partition: 0, offset: 0, timestampMs: Date.now(), key: null, headers: [], value }
  return deadLetter(config.kafka.deadLetterTopic, record, { kind: 'not_a_cloud_event', message })
}
