// Produces by Confluent's REST API v3 (also Confluent Cloud): records as concatenated JSON in one chunked request, and one
// report per record in the same order. The API cannot consume: split-producer.ts combines it with a log that can.
import { parseJson } from '../../core/json.ts'
import * as z from 'zod'
import type { KafkaRestV3Settings } from '../../config/kafka-rest.ts'
import { sliceObjects } from '../../core/json.ts'
import { toBase64 } from '../../core/bytes.ts'
import type { NewRecord } from '../../core/events/kafka-record.ts'
import type { RestDeps } from './rest-deps.ts'
import { produceByTopic, produceWithRetry, type ProduceOutcome, type RecordProducer } from './produce-with-retry.ts'
import { createRestClient, hostOf, requireOk, toError, type RestClient } from './rest-client.ts'

const PRODUCE_TIMEOUT_MS = 30_000
const CREATED = 200
/** Rate limited, and the codes that the API calls retriable. */
const RETRIABLE = new Set([429, 503, 50_003])

const report = z.object({
  error_code: z.number().int(),
  message: z.string().optional(),
  partition_id: z.number().int().optional(),
  offset: z.number().int().optional(),
  timestamp: z.iso.datetime().nullish(),
})

/** Returns the producer for API v3: https://docs.confluent.io/platform/current/kafka-rest/api.html#records-v3 */
export function createV3Producer(settings: KafkaRestV3Settings, deps: RestDeps): RecordProducer {
  const client = createRestClient(settings.url, settings.credentials, deps.fetch)
  return {
    produce: (records) =>
      produceByTopic(records, async (topic, ofTopic) => {
        const path = `/v3/clusters/${settings.cluster}/topics/${encodeURIComponent(topic)}/records`
        return produceWithRetry(ofTopic, (left) => send(client, path, left), hostOf(client), deps)
      }),
  }
}

async function send(client: RestClient, path: string, records: readonly NewRecord[]) {
  const body = toStream(records.map((record) => JSON.stringify(toWire(record))).join('\n'))
  const json = 'application/json'
  const answer = await client.request({
    method: 'POST',
    path,
    accept: json,
    contentType: json,
    body,
    timeoutMs: PRODUCE_TIMEOUT_MS,
  })
  requireOk(client, answer)
  return sliceObjects(answer.text).map((text): ProduceOutcome => {
    const parsed = report.safeParse(parseJson(text)).data
    if (parsed === undefined) throw toError(client, answer)
    const { error_code: code, message = `error ${code}`, partition_id: partition, offset, timestamp } = parsed
    const isAcked = code === CREATED && partition !== undefined && offset !== undefined
    const time = timestamp ? { timestampMs: Date.parse(timestamp) } : {}
    if (isAcked) return { kind: 'acked', partition, offset, ...time }
    if (RETRIABLE.has(code)) return { kind: 'retriable', message }
    return { kind: 'refused', code, message }
  })
}

/** A stream has no length, so the request is chunked, which selects the API's streaming mode. */
function toStream(text: string): ReadableStream<Uint8Array> {
  return new ReadableStream({
    start(controller) {
      controller.enqueue(new TextEncoder().encode(text))
      controller.close()
    },
  })
}

function toWire({ key, partition, value, timestampMs, headers = [] }: NewRecord): Record<string, unknown> {
  return {
    ...(partition === undefined ? {} : { partition_id: partition }),
    ...(headers.length === 0
      ? {}
      : { headers: headers.map((header) => ({ name: header.key, value: toBase64(header.value) })) }),
    ...(key ? { key: { type: 'BINARY', data: toBase64(key) } } : {}),
    ...(value === null ? {} : { value: { type: 'BINARY', data: toBase64(value) } }),
    ...(timestampMs === undefined ? {} : { timestamp: new Date(timestampMs).toISOString() }),
  }
}
