// The simulated deployment: real Durable Object classes that call each other over a network which delays calls, loses them
// before they arrive, or loses their answers. simulated-object.ts runs each object.
import { Directory } from '../../src/objects/directory/directory.ts'
import { EmbeddedBroker } from '../../src/objects/embedded-kafka/embedded-broker.ts'
import { EmbeddedLog } from '../../src/objects/embedded-kafka/embedded-log.ts'
import { KafkaProducer } from '../../src/objects/kafka-producer/kafka-producer.ts'
import { MetricsStore } from '../../src/objects/metrics/metrics-store.ts'
import { PendingResponses } from '../../src/objects/pending-responses/pending-responses.ts'
import { NatsClient } from '../../src/objects/nats-client/nats-client.ts'
import { PresenceTopic } from '../../src/objects/presence/presence-topic.ts'
import { SessionRegistry } from '../../src/objects/session-registry/session-registry.ts'
import { TopicFollower } from '../../src/objects/follower/topic-follower.ts'
import { UserShard } from '../../src/objects/shard/user-shard.ts'
import type { Random } from '../random.ts'
import type { Clock } from './clock.ts'
import { SimulatedObject, type ObjectClass } from './simulated-object.ts'

const CLASSES = {
  DIRECTORY: Directory,
  EMBEDDED_BROKER: EmbeddedBroker,
  EMBEDDED_LOG: EmbeddedLog,
  KAFKA_PRODUCER: KafkaProducer,
  METRICS_STORE: MetricsStore,
  NATS_CLIENT: NatsClient,
  PENDING_RESPONSES: PendingResponses,
  PRESENCE_TOPIC: PresenceTopic,
  SESSION_REGISTRY: SessionRegistry,
  TOPIC_FOLLOWER: TopicFollower,
  USER_SHARD: UserShard,
}
type Binding = keyof typeof CLASSES

/** Calls by which a shard asks for a table, and a follower sends rows of it. */
const FILLING: readonly string[] = ['fillTable', 'fillTables']

/** A call, or its answer, takes so long, in milliseconds. */
const MAX_LATENCY_MS = 6

export class Cluster {
  readonly #clock: Clock
  readonly #random: Random
  /** The variables of objects that start from now on. */
  #variables: Readonly<Record<string, string>>
  readonly #objects = new Map<string, SimulatedObject>()
  /** Share of calls that are lost: half of them before they arrive, half with their answer. */
  faults = 0
  /** How many more objects crash while a table is being filled: the follower that reads for it, or the shard that gets rows. */
  fillCrashes = 0
  /** Errors that no caller saw. */
  readonly problems: string[] = []

  constructor(clock: Clock, random: Random, variables: Readonly<Record<string, string>>) {
    this.#clock = clock
    this.#random = random
    this.#variables = variables
  }

  /** The bindings of a Worker that runs for ever. */
  env(): Env {
    return this.createEnv(async () => undefined)
  }

  /** `gate` resolves when a call may leave; it never does for an object that has crashed. */
  createEnv(gate: () => Promise<void>): Env {
    const bindings = Object.keys(CLASSES).map((binding) => {
      const getByName = (name: string) => this.#stub(binding as Binding, name, gate)
      return [binding, { getByName, idFromName: (name: string) => name, get: getByName }]
    })
    // Bindings are inherited: the configuration looks for misspelt variables among an environment's own members.
    return Object.assign(Object.create(Object.fromEntries(bindings) as object), this.#variables) as Env
  }

  /** Crashes an object that exists, chosen at random. Returns its name. */
  crashOne(): string | undefined {
    const names = [...this.#objects.keys()]
    if (names.length === 0) return undefined
    const name = this.#random.pick(names)
    this.#objects.get(name)?.crash()
    return name
  }

  /** A deploy: all objects start anew, with other variables. */
  deploy(variables: Readonly<Record<string, string>>): void {
    this.#variables = variables
    for (const object of this.#objects.values()) object.crash()
  }

  /** The object begins anew, and remembers nothing: its file was lost. */
  loseStorage(binding: Binding, name: string): void {
    this.#objects.get(`${binding} ${name}`)?.loseStorage()
  }

  #stub(binding: Binding, name: string, gate: () => Promise<void>): unknown {
    const call = (method: string, args: unknown[]) => this.#call(binding, name, method, args, gate)
    return new Proxy(
      {},
      {
        get: (_, method) => {
          if (method === 'then') return undefined
          if (method === 'fetch') {
            return (url: string, init: RequestInit) => this.#fetch(binding, name, new Request(url, init), gate)
          }
          return (...args: unknown[]) => call(String(method), args)
        },
      },
    )
  }

  async #call(binding: Binding, name: string, method: string, args: unknown[], gate: () => Promise<void>) {
    const sent = structuredClone(args)
    await gate()
    await this.#clock.wait(this.#random.below(MAX_LATENCY_MS))
    if (this.#random.chance(this.faults / 2)) throw new Error(`Network connection lost (the call ${method})`)
    if (FILLING.includes(method)) this.#crashWhileFilling(this.#objectOf(binding, name))
    const answer = structuredClone(await this.#objectOf(binding, name).call(method, sent))
    await this.#clock.wait(this.#random.below(MAX_LATENCY_MS))
    if (this.#random.chance(this.faults / 2)) throw new Error(`Network connection lost (the answer of ${method})`)
    return answer
  }

  #crashWhileFilling(object: SimulatedObject): void {
    if (this.fillCrashes <= 0 || this.#random.chance(0.5)) return
    this.fillCrashes -= 1
    this.#clock.schedule(this.#random.below(MAX_LATENCY_MS), () => object.crash())
  }

  /** A request whose response is a stream: it fails when the object crashes. */
  async #fetch(binding: Binding, name: string, request: Request, gate: () => Promise<void>): Promise<Response> {
    await gate()
    await this.#clock.wait(this.#random.below(MAX_LATENCY_MS))
    if (this.#random.chance(this.faults / 2)) throw new Error('Network connection lost (the request)')
    const response = await this.#objectOf(binding, name).fetch(request)
    await this.#clock.wait(this.#random.below(MAX_LATENCY_MS))
    if (this.#random.chance(this.faults / 2)) throw new Error('Network connection lost (the response)')
    return response
  }

  #objectOf(binding: Binding, name: string): SimulatedObject {
    const key = `${binding} ${name}`
    const known = this.#objects.get(key)
    if (known !== undefined) return known
    const object = new SimulatedObject({
      Class: CLASSES[binding] as unknown as ObjectClass,
      name,
      clock: this.#clock,
      random: this.#random.fork(),
      createEnv: (gate) => this.createEnv(gate),
      report: (problem) => void this.problems.push(`${key}: ${problem}`),
    })
    this.#objects.set(key, object)
    return object
  }
}
