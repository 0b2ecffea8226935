// Produce by Confluent's REST v3, Confluent Cloud's too: records as concatenated JSON in one chunked request, and a report
// for each in the same order. There is no way to read by it: with-producer.ts puts it beside a log that can be followed.
import { parseJson } from '../../core/json.ts'
import { z } from 'zod'
import type { KafkaRestV3Settings } from '../../config/kafka-rest.ts'
import { sliceObjects } from '../../core/json.ts'
import { toBase64 } from '../../core/bytes.ts'
import type { NewRecord } from '../../core/events/kafka-record.ts'
import type { RestDeps } from './rest-deps.ts'
import { byTopic, placeAll, type Outcome, type Producer } from './produce-with-retry.ts'
import { createRestClient, hostOf, requireOk, toError, type RestClient } from './rest-client.ts'

const PRODUCE_TIMEOUT_MS = 30_000
const CREATED = 200
/** Too much at once, and what the broker calls retriable. */
const RETRIABLE = new Set([429, 503, 50_003])

const report = z.object({
  error_code: z.number().int(),
  message: z.string().optional(),
  partition_id: z.number().int().optional(),
  offset: z.number().int().optional(),
  timestamp: z.iso.datetime().nullish(),
})

export function createV3Producer(settings: KafkaRestV3Settings, deps: RestDeps): Producer {
  const client = createRestClient(settings.url, settings.credentials, deps.fetch)
  return {
    produce: (records) =>
      byTopic(records, async (topic, ofTopic) => {
        const path = `/v3/clusters/${settings.cluster}/topics/${encodeURIComponent(topic)}/records`
        return placeAll(ofTopic, (left) => send(client, path, left), hostOf(client), deps)
      }),
  }
}

async function send(client: RestClient, path: string, records: readonly NewRecord[]) {
  const body = toStream(records.map((record) => JSON.stringify(toWire(record))).join('\n'))
  const json = 'application/json'
  const answer = await client.ask({
    method: 'POST',
    path,
    accept: json,
    contentType: json,
    body,
    timeoutMs: PRODUCE_TIMEOUT_MS,
  })
  requireOk(client, answer)
  return sliceObjects(answer.text).map((text): Outcome => {
    const parsed = report.safeParse(parseJson(text)).data
    if (parsed === undefined) throw toError(client, answer)
    const { error_code: code, message = `error ${code}`, partition_id: partition, offset, timestamp } = parsed
    const isPlaced = code === CREATED && partition !== undefined && offset !== undefined
    const time = timestamp ? { timestampMs: Date.parse(timestamp) } : {}
    if (isPlaced) return { kind: 'placed', partition, offset, ...time }
    if (RETRIABLE.has(code)) return { kind: 'retriable', message }
    return { kind: 'refused', code, message }
  })
}

/** Of unknown length, and so chunked: that is what turns the route into a stream of records. */
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
