// Publishes records and requests to NATS on one connection. With JetStream, the server confirms each record after
// storing it. With core NATS, nothing is stored or confirmed. Used by the NatsClient object.
import type { NatsConnection } from '@nats-io/nats-core'
import { RequestError, TimeoutError } from '@nats-io/nats-core/internal'
import type { NatsConfig } from '../../config/sources/nats.ts'
import { sourceOf } from '../../core/events/topic-source.ts'
import type { NewRecord, ProducedRecord, RecordHeader } from '../../core/events/kafka-record.ts'
import { isObject, parseJson } from '../../core/json.ts'
import { streamsOf } from './jetstream-api.ts'
import { subjectOf, toNatsHeaders } from './nats-records.ts'
import { NatsSession } from './nats-session.ts'

const ACK_TIMEOUT_MS = 10_000

const NO_BYTES = new Uint8Array()

/** The result of a request. `timeout`: no reply arrived in time. `nobody`: no service is subscribed to the subject. */
export type NatsReply =
  | { readonly kind: 'reply'; readonly body: Uint8Array }
  | { readonly kind: 'timeout' }
  | { readonly kind: 'nobody' }

export class NatsProducer {
  readonly #config: NatsConfig
  readonly #session: NatsSession

  constructor(config: NatsConfig) {
    this.#config = config
    this.#session = new NatsSession(config)
  }

  /** Returns [0] if a stream has the subject, else []. With core NATS every subject exists. */
  async partitions(topic: string): Promise<readonly number[]> {
    if (this.#config.mode === 'core') return [0]
    const streams = await this.#session.use(async (connection) => streamsOf(connection, sourceOf(topic).name))
    return streams.length === 0 ? [] : [0]
  }

  /**
   * Resolves with sequences as offsets when all records are stored. Throws if one is not: others may have been stored.
   */
  async produce(records: readonly NewRecord[]): Promise<readonly ProducedRecord[]> {
    return this.#session.use(async (connection) => {
      if (this.#config.mode === 'jetstream')
        return Promise.all(records.map((record) => publishStored(connection, record)))
      for (const record of records) {
        connection.publish(subjectOf(record), record.value ?? NO_BYTES, { headers: toNatsHeaders(record) })
      }
      await connection.flush()
      return records.map(({ topic }) => ({ topic, partition: 0, offset: -1, timestampMs: -1 }))
    })
  }

  /**
   * Sends a request with `headers` and waits for the reply. Uses core NATS in either mode, because the replying service
   * is a subscriber.
   */
  async request(
    subject: string,
    body: Uint8Array,
    timeoutMs: number,
    headers: readonly RecordHeader[],
  ): Promise<NatsReply> {
    return this.#session.use(async (connection) => {
      try {
        const options = { headers: toNatsHeaders({ headers }), timeout: timeoutMs }
        const reply = await connection.request(subject, body, options)
        return { kind: 'reply', body: reply.data.slice() }
      } catch (error) {
        if (error instanceof TimeoutError) return { kind: 'timeout' }
        if (error instanceof RequestError && error.isNoResponders()) return { kind: 'nobody' }
        throw error
      }
    })
  }
}

async function publishStored(connection: NatsConnection, record: NewRecord): Promise<ProducedRecord> {
  const subject = subjectOf(record)
  const options = { headers: toNatsHeaders(record), timeout: ACK_TIMEOUT_MS }
  const reply = await connection.request(subject, record.value ?? NO_BYTES, options).catch((error: unknown) => {
    if (error instanceof RequestError && error.isNoResponders())
      throw new Error(`NATS: no stream of JetStream has the subject ${subject}`)
    throw error
  })
  const ack = parseJson(reply.string())
  if (!isObject(ack)) throw new Error(`NATS: ${subject}: the answer to a publish is not JSON`)
  if (isObject(ack['error'])) throw new Error(`NATS: ${subject}: ${String(ack['error']['description'])}`)
  const place = { topic: record.topic, partition: 0, offset: Number(ack['seq']), timestampMs: -1 }
  return ack['duplicate'] === true ? { ...place, duplicate: true } : place
}
