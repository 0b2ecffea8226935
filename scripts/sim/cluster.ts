// The simulated deployment: real Durable Object classes, each over its own SimStorage, that call each other over a network
// which delays calls, loses them before they arrive, or loses their answers. What the runtime promises holds here too: an
// answer, and a call to another object, leave only when what the object wrote before is durable; after a crash an object
// begins anew from its storage; an alarm that fails is repeated.
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
import { CrashedObject, SimStorage } from './storage.ts'

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

/** A call, or its answer, takes so long, in milliseconds. */
const MAX_LATENCY_MS = 6
const ALARM_RETRY_MS = 2_000

type Methods = Record<string, (...args: unknown[]) => unknown>

export class Cluster {
  readonly #clock: Clock
  readonly #random: Random
  readonly #variables: Readonly<Record<string, string>>
  readonly #hosts = new Map<string, Host>()
  /** Share of calls that are lost: half of them before they arrive, half with their answer. */
  faults = 0
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
    const names = [...this.#hosts.keys()]
    if (names.length === 0) return undefined
    const name = this.#random.pick(names)
    this.#hosts.get(name)?.crash()
    return name
  }

  /** The object begins anew, and remembers nothing: its file was lost. */
  loseStorage(binding: Binding, name: string): void {
    this.#hosts.get(`${binding} ${name}`)?.loseStorage()
  }

  #stub(binding: Binding, name: string, gate: () => Promise<void>): unknown {
    const call = (method: string, args: unknown[]) => this.#call(binding, name, method, args, gate)
    return new Proxy(
      {},
      {
        get: (_, method) => {
          if (method === 'then') return undefined
          if (method === 'fetch') return (request: Request) => this.#fetch(binding, name, request, gate)
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
    const answer = structuredClone(await this.#hostOf(binding, name).call(method, sent))
    await this.#clock.wait(this.#random.below(MAX_LATENCY_MS))
    if (this.#random.chance(this.faults / 2)) throw new Error(`Network connection lost (the answer of ${method})`)
    return answer
  }

  /** A request whose response is a stream: it fails when the object crashes. */
  async #fetch(binding: Binding, name: string, request: Request, gate: () => Promise<void>): Promise<Response> {
    await gate()
    await this.#clock.wait(this.#random.below(MAX_LATENCY_MS))
    if (this.#random.chance(this.faults / 2)) throw new Error('Network connection lost (the request)')
    const response = await this.#hostOf(binding, name).fetch(request)
    await this.#clock.wait(this.#random.below(MAX_LATENCY_MS))
    if (this.#random.chance(this.faults / 2)) throw new Error('Network connection lost (the response)')
    return response
  }

  #hostOf(binding: Binding, name: string): Host {
    const key = `${binding} ${name}`
    const known = this.#hosts.get(key)
    if (known !== undefined) return known
    const host = new Host({ binding, name, clock: this.#clock, random: this.#random.fork(), cluster: this })
    this.#hosts.set(key, host)
    return host
  }
}

interface HostOptions {
  readonly binding: Binding
  readonly name: string
  readonly clock: Clock
  readonly random: Random
  readonly cluster: Cluster
}

/** One Durable Object over its lives. */
class Host {
  readonly #options: HostOptions
  #storage: SimStorage
  #instance: Methods | undefined
  #life = 0
  /** Rejects the calls under way when the object crashes. */
  #crashed = Promise.withResolvers<never>()

  constructor(options: HostOptions) {
    this.#options = options
    this.#storage = new SimStorage(options.clock, options.random)
    this.#crashed.promise.catch(() => undefined)
  }

  async call(method: string, args: readonly unknown[]): Promise<unknown> {
    const crashed = this.#crashed.promise
    const work = async () => {
      const instance = this.#wake()
      const answer = await instance[method]?.(...args)
      await this.#storage.sync()
      return answer
    }
    return Promise.race([work(), crashed])
  }

  async fetch(request: Request): Promise<Response> {
    const crashed = this.#crashed.promise
    const response = (await this.call('fetch', [request])) as Response
    const reader = response.body?.getReader()
    if (reader === undefined) return response
    const body = new ReadableStream<Uint8Array>(
      {
        async pull(controller) {
          const { done, value } = await Promise.race([reader.read(), crashed])
          if (done) controller.close()
          else controller.enqueue(value)
        },
        cancel: () => reader.cancel(),
      },
      { highWaterMark: 0 },
    )
    return new Response(body, { status: response.status, headers: response.headers })
  }

  loseStorage(): void {
    this.crash()
    this.#storage = new SimStorage(this.#options.clock, this.#options.random)
  }

  crash(): void {
    this.#life += 1
    this.#instance = undefined
    this.#storage.crash()
    this.#crashed.reject(new Error('Network connection lost (the object crashed)'))
    this.#crashed = Promise.withResolvers<never>()
    this.#crashed.promise.catch(() => undefined)
    // An alarm that was set wakes the object again.
    this.#watchAlarm()
  }

  #wake(): Methods {
    if (this.#instance !== undefined) return this.#instance
    const { binding, cluster, name } = this.#options
    const life = this.#life
    const gate = () => (life === this.#life ? this.#storage.sync() : new Promise<void>(() => undefined))
    const ctx = {
      id: { name, toString: () => name },
      storage: this.#withAlarm(this.#storage.open()),
      waitUntil: (work: Promise<unknown>) => void work.catch((error: unknown) => this.#report(error)),
      blockConcurrencyWhile: (work: () => Promise<unknown>) => work(),
      setWebSocketAutoResponse: () => undefined,
      getWebSockets: () => [],
      acceptWebSocket: () => undefined,
    }
    const Class = CLASSES[binding] as unknown as new (ctx: unknown, env: Env) => Methods
    this.#instance = new Class(ctx, cluster.createEnv(gate))
    return this.#instance
  }

  #withAlarm(storage: DurableObjectStorage): DurableObjectStorage {
    const set = storage.setAlarm.bind(storage)
    const setAlarm = async (atMs: number) => {
      await set(atMs)
      this.#watchAlarm()
    }
    return Object.assign(storage, { setAlarm })
  }

  #watchAlarm(): void {
    const atMs = this.#storage.alarmMs
    if (atMs === null) return
    const { clock } = this.#options
    clock.schedule(atMs - clock.nowMs, () => {
      if (this.#storage.alarmMs !== atMs) return
      this.#storage.clearAlarm()
      void this.call('alarm', []).catch(() => {
        // The runtime runs an alarm at least once, too.
        if (this.#storage.alarmMs === null) void this.#retryAlarm()
      })
    })
  }

  async #retryAlarm(): Promise<void> {
    const { clock } = this.#options
    this.#wake()
    await this.#storage.open().setAlarm(clock.nowMs + ALARM_RETRY_MS)
    this.#watchAlarm()
  }

  #report(error: unknown): void {
    if (error instanceof CrashedObject) return
    const { binding, cluster, name } = this.#options
    if (!/Network connection lost/.test(String(error))) cluster.problems.push(`${binding} ${name}: ${String(error)}`)
  }
}
