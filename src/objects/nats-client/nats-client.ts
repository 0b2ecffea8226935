// NatsClient: a Durable Object that publishes to NATS for Workers and followers. It keeps its connection open between
// requests, because a handshake per request would be too slow. Stores nothing. Called through rpc/nats-client.ts.
import { DurableObject } from 'cloudflare:workers'
import { configOf } from '../../config/parse-config.ts'
import type { NewRecord, ProducedRecord, RecordHeader } from '../../core/events/kafka-record.ts'
import { NatsProducer, type NatsReply } from '../../sources/nats/nats-producer.ts'

export class NatsClient extends DurableObject<Env> {
  readonly #producer = new NatsProducer(natsOf(this.env))

  async partitions(topic: string): Promise<readonly number[]> {
    return this.#producer.partitions(topic)
  }

  /** Resolves when all are stored. */
  async produce(records: readonly NewRecord[]): Promise<readonly ProducedRecord[]> {
    return this.#producer.produce(records)
  }

  /** Publishes a request, and returns the reply. Workers of older versions give no `headers`. */
  async request(
    subject: string,
    body: Uint8Array,
    timeoutMs: number,
    headers: readonly RecordHeader[] = [],
  ): Promise<NatsReply> {
    return this.#producer.request(subject, body, timeoutMs, headers)
  }
}

function natsOf(env: Env) {
  const { nats } = configOf(env)
  if (nats === null) throw new TypeError('NatsClient is for NATS_SERVERS, which is not set')
  return nats
}
