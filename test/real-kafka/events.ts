// Events of the tests of this folder: produced by a real client of Kafka; and the truth, which is what the topic holds
// in the end, that every client of Rigel must have seen.
import assert from 'node:assert/strict'
import { Kafka, logLevel, type Producer } from 'kafkajs'
import type { Client } from '../e2e/clients.ts'
import { until } from '../e2e/rigel.ts'
import type { Produced } from '../e2e/topic.ts'
import { connectTo, readAll, text } from './connect.ts'

export const TOPIC = 'rig'
export const BROADCAST = 'test.broadcast'
export const ADDRESSED = 'test.addressed'

export class TopicOfEvents {
  readonly #brokers: string
  #producer: Producer | undefined
  #count = 0

  constructor(brokers: string) {
    this.#brokers = brokers
  }

  /** Rounds of an event for alice and one for everybody, each when the one before it is stored. */
  async produce(rounds: number, everyMs = 0): Promise<void> {
    const producer = await this.#connectProducer()
    for (let round = 0; round < rounds; round += 1) {
      for (const recipients of [['alice'], undefined]) {
        const event = this.#makeEvent(recipients)
        await producer.send({
          topic: TOPIC,
          acks: -1,
          messages: [{ key: event.data.key, value: JSON.stringify(event) }],
        })
      }
      if (everyMs > 0) await new Promise((resolve) => setTimeout(resolve, everyMs))
    }
  }

  /** What was produced twice, because an answer got lost, stands there twice, and is to be seen twice. */
  async read(): Promise<readonly Produced[]> {
    const cluster = connectTo(this.#brokers)
    const partitions = await cluster.partitions(TOPIC)
    const lists = await Promise.all(partitions.map((partition) => readAll(cluster, TOPIC, partition)))
    return lists.flat().flatMap(({ value }) => parseEvent(text(value)))
  }

  async disconnect(): Promise<void> {
    await this.#producer?.disconnect().catch(() => undefined)
  }

  #makeEvent(recipients: readonly string[] | undefined) {
    const n = (this.#count += 1)
    const key = `k${n % 5}`
    const data = recipients ? { key, n, recipients } : { key, n }
    return { specversion: '1.0', id: `${n}`, source: '/test', type: recipients ? ADDRESSED : BROADCAST, data }
  }

  async #connectProducer(): Promise<Producer> {
    if (this.#producer !== undefined) return this.#producer
    const retry = { retries: 60, initialRetryTime: 200, maxRetryTime: 1_000 }
    const kafka = new Kafka({ brokers: this.#brokers.split(','), logLevel: logLevel.NOTHING, retry })
    const producer = kafka.producer({ idempotent: true, maxInFlightRequests: 1, retry })
    await producer.connect()
    this.#producer = producer
    return producer
  }
}

/** Every client has all that is for it, once each, and of each key in order. */
export async function settle(clients: readonly Client[], all: readonly Produced[], withinMs = 60_000): Promise<void> {
  for (const client of clients) {
    const isFor = ({ type }: Produced) => type === BROADCAST || (type === ADDRESSED && client.user === 'alice')
    const wanted = all.filter(isFor).map(({ id }) => id)
    await until(`${client.name} has all ${wanted.length}`, () => client.seen.length >= wanted.length, withinMs)
    assert.deepEqual(client.seen.map(({ id }) => id).toSorted(), wanted.toSorted(), client.name)
    for (const key of new Set(client.seen.map(({ data }) => data.key))) {
      const numbers = client.seen.filter(({ data }) => data.key === key).map(({ data }) => data.n)
      assert.deepEqual(
        numbers,
        numbers.toSorted((a, b) => a - b),
        `${client.name}: ${key} in order`,
      )
    }
  }
}

function parseEvent(value: string | null): Produced[] {
  try {
    return [JSON.parse(value ?? '') as Produced]
  } catch {
    return []
  }
}
