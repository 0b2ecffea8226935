// A Kafka elsewhere, in the dialect of Upstash: what TopicFollowers read in the simulation. Requests take time and are lost as
// calls are; records are never. Producers of the simulation append to it directly.
import type { LogPosition } from '../../src/core/events/kafka-record.ts'
import type { Random } from '../random.ts'
import type { Clock } from './clock.ts'

const MAX_LATENCY_MS = 6

interface Message {
  readonly topic: string
  readonly partition: number
  readonly offset: number
  readonly timestamp: number
  readonly key: string
  readonly value: string
  readonly headers: readonly { readonly key: string; readonly value: string }[]
}

interface FetchBody {
  readonly partition: number
  readonly offset: number
  readonly timeout?: number
}

export class RemoteKafka {
  readonly #clock: Clock
  readonly #random: Random
  readonly #topic: string
  readonly #partitions: Message[][]
  /** Share of requests that are lost. */
  readonly #faults: () => number
  #arrived = Promise.withResolvers<void>()

  constructor(clock: Clock, random: Random, topic: string, partitions: number, faults: () => number) {
    this.#clock = clock
    this.#random = random
    this.#topic = topic
    this.#partitions = Array.from({ length: partitions }, () => [])
    this.#faults = faults
  }

  /** Returns the values of a partition, in the order of their offsets, which begin at 0. */
  valuesOf(partition: number): readonly string[] {
    return (this.#partitions[partition] ?? []).map(({ value }) => value)
  }

  /** Appends a record, and returns its place. Keys that end in the same digit are in the same partition. */
  append(key: string, value: string): LogPosition {
    const partition = Number(key.at(-1)) % this.#partitions.length
    const log = this.#partitions[partition] ?? []
    const headers = [{ key: 'content-type', value: 'application/cloudevents+json' }]
    const { nowMs: timestamp } = this.#clock
    log.push({
      topic: this.#topic,
      partition,
      offset: log.length,
      timestamp,
      key,
      value,
      headers,
    })
    this.#arrived.resolve()
    this.#arrived = Promise.withResolvers<void>()
    return { topic: this.#topic, partition, offset: log.length - 1 }
  }

  async fetch(request: Request): Promise<Response> {
    await this.#clock.wait(this.#random.below(MAX_LATENCY_MS))
    this.#lose('the request')
    const answer = await this.#answer(new URL(request.url).pathname, await request.text())
    await this.#clock.wait(this.#random.below(MAX_LATENCY_MS))
    this.#lose('the response')
    return Response.json(answer)
  }

  #lose(what: string): void {
    if (this.#random.chance(this.#faults() / 2)) throw new TypeError(`Network connection lost (${what} of Kafka)`)
  }

  async #answer(path: string, body: string): Promise<unknown> {
    if (path === '/topics') return { [this.#topic]: this.#partitions.length }
    if (path.startsWith('/offsets/')) return this.#offsets(path.endsWith('earliest'), body)
    if (path === '/fetch') return this.#read(JSON.parse(body) as FetchBody)
    throw new Error(`the simulated Kafka has no ${path}`)
  }

  #offsets(isEarliest: boolean, body: string): unknown {
    const asked = JSON.parse(body) as readonly { readonly partition: number }[]
    return asked.map(({ partition }) => {
      const offset = isEarliest ? 0 : (this.#partitions[partition]?.length ?? 0)
      return { topic: this.#topic, partition, offset }
    })
  }

  /** A few records at a time, so that a backlog takes several fetches. */
  async #read({ offset, partition, timeout = 0 }: FetchBody): Promise<readonly Message[]> {
    const log = this.#partitions[partition] ?? []
    if (offset >= log.length) await Promise.race([this.#arrived.promise, this.#clock.wait(timeout)])
    return log.slice(offset, offset + 1 + this.#random.below(5))
  }
}
