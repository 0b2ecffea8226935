// The Worker that is measured: Rigel itself, and beside it, in the same workerd, a bare Durable Object that does the
// least that could be called the same. Bundled by scripts/bench/rig.ts, driven by scripts/bench.ts; never deployed.
import { DurableObject, WorkerEntrypoint } from 'cloudflare:workers'
import { runWithLimit } from '../../src/core/concurrency.ts'
import { encodeBatches, type AppendBatch } from '../../src/core/delivery/batch-codec.ts'
import { InterestDeclarer } from '../../src/core/interest/declarer.ts'
import { handle } from '../../src/http/app.ts'
import { directoryStub } from '../../src/rpc/directory.ts'
import { followerStub } from '../../src/rpc/follower.ts'
import { TopicFollower as Follower } from '../../src/objects/follower/topic-follower.ts'
import { embeddedBrokerStub, embeddedLogStub } from '../../src/rpc/embedded-kafka.ts'
import { presenceStub } from '../../src/rpc/presence.ts'
import { shardStub } from '../../src/rpc/shard.ts'
import { PendingResponses as PlainPendingResponses } from '../../src/objects/pending-responses/pending-responses.ts'
import { Directory as PlainDirectory } from '../../src/objects/directory/directory.ts'
import { EmbeddedBroker as PlainEmbeddedBroker } from '../../src/objects/embedded-kafka/embedded-broker.ts'
import { EmbeddedLog as PlainEmbeddedLog } from '../../src/objects/embedded-kafka/embedded-log.ts'
import { KafkaProducer as PlainKafkaProducer } from '../../src/objects/kafka-producer/kafka-producer.ts'
import { NatsClient as PlainNatsClient } from '../../src/objects/nats-client/nats-client.ts'
import { PresenceTopic as PlainPresenceTopic } from '../../src/objects/presence/presence-topic.ts'
import { SessionRegistry as PlainSessionRegistry } from '../../src/objects/session-registry/session-registry.ts'
import { UserShard as PlainUserShard } from '../../src/objects/shard/user-shard.ts'
import { countingEnv, countRequest, countStorage, resetCounts, takeCounts } from './counting.ts'

/** What leads to another workerd: of workerd alone, so no types have it. */
interface DebugPort {
  connect(address: string): Promise<{ getEntrypoint(service: string, name: string): Service<Shards> }>
}

interface BenchEnv extends Env {
  BARE: DurableObjectNamespace<Bare>
  BARE_PATH: DurableObjectNamespace<BarePath>
  DEBUG_PORT: DebugPort
  /** Of another workerd, which has the shards that followers append to; none: they are here. */
  SHARDS_AT?: string
  /** Set: calls, rows and alarms are counted. */
  COUNT?: string
  /** The service that `/bench/pass/…` passes requests on to, as they are. */
  PASS_TO: string
}

const encoder = new TextEncoder()
const TOPIC = 'bench'
const PASS = '/bench/pass'
/** Fits the follower's fetch: about 1 MiB of events of 300 bytes. */
const PRODUCE_BATCH = 2_000

/** For followers of another workerd. */
export class Shards extends WorkerEntrypoint<BenchEnv> {
  append(shard: string, batches: readonly AppendBatch[]): Promise<void> {
    return this.env.USER_SHARD.getByName(shard).append(batches)
  }
}

/** Binding → class. */
const COUNTED: Readonly<Record<string, string>> = {
  USER_SHARD: 'UserShard',
  TOPIC_FOLLOWER: 'TopicFollower',
  DIRECTORY: 'Directory',
  EMBEDDED_LOG: 'EmbeddedLog',
  EMBEDDED_BROKER: 'EmbeddedBroker',
  KAFKA_PRODUCER: 'KafkaProducer',
  NATS_CLIENT: 'NatsClient',
  PRESENCE_TOPIC: 'PresenceTopic',
  SESSION_REGISTRY: 'SessionRegistry',
  PENDING_RESPONSES: 'PendingResponses',
  METRICS_STORE: 'MetricsStore',
}

type Construct<T> = new (ctx: DurableObjectState, env: Env) => T

/** The class itself, unless COUNT is set: then what it does is counted (`npm run bench -- bill`). */
function counted<T extends { alarm?(info?: AlarmInvocationInfo): void | Promise<void> }>(
  Plain: Construct<T>,
  name: string,
): Construct<T> {
  const alarm = Plain.prototype.alarm
  if (alarm !== undefined) {
    Plain.prototype.alarm = function countedAlarm(this: T, info?: AlarmInvocationInfo) {
      countRequest(name)
      return alarm.call(this, info)
    }
  }
  return class extends (Plain as Construct<object>) {
    constructor(ctx: DurableObjectState, env: BenchEnv) {
      if (env.COUNT !== undefined) countStorage(name, ctx)
      super(ctx, env.COUNT === undefined ? env : countingEnv(env, COUNTED))
    }
  } as unknown as Construct<T>
}

export { MetricsStore } from '../../src/objects/metrics/metrics-store.ts'
export class PendingResponses extends counted(PlainPendingResponses, 'PendingResponses') {}
export class Directory extends counted(PlainDirectory, 'Directory') {}
export class EmbeddedBroker extends counted(PlainEmbeddedBroker, 'EmbeddedBroker') {}
export class EmbeddedLog extends counted(PlainEmbeddedLog, 'EmbeddedLog') {}
export class KafkaProducer extends counted(PlainKafkaProducer, 'KafkaProducer') {}
export class NatsClient extends counted(PlainNatsClient, 'NatsClient') {}
export class PresenceTopic extends counted(PlainPresenceTopic, 'PresenceTopic') {}
export class SessionRegistry extends counted(PlainSessionRegistry, 'SessionRegistry') {}
export class UserShard extends counted(PlainUserShard, 'UserShard') {}

/** Rigel's own, with its shards in another workerd if there is one: as on Cloudflare, where no two objects share a thread for long. */
export class TopicFollower extends Follower {
  constructor(ctx: DurableObjectState, env: BenchEnv) {
    super(ctx, env.SHARDS_AT === undefined ? env : withShardsAt(env, env.SHARDS_AT))
  }
}

function withShardsAt(env: BenchEnv, address: string): Env {
  let shards: Service<Shards> | undefined
  const append = async (shard: string, batches: readonly AppendBatch[]) => {
    shards ??= (await env.DEBUG_PORT.connect(address)).getEntrypoint('main', 'Shards')
    await shards.append(shard, batches)
  }
  const getByName = (name: string) => ({ append: (batches: readonly AppendBatch[]) => append(name, batches) })
  return { ...env, USER_SHARD: { getByName } as unknown as Env['USER_SHARD'] }
}

/** A Durable Object that only sends, and only stores. */
export class Bare extends DurableObject<BenchEnv> {
  readonly #streams = new Set<ReadableByteStreamController>()

  override fetch(request: Request): Response {
    if (request.headers.get('upgrade') === 'websocket') {
      const { 0: client, 1: server } = new WebSocketPair()
      this.ctx.acceptWebSocket(server)
      return new Response(null, { status: 101, webSocket: client })
    }
    if (new URL(request.url).pathname.endsWith('/poll')) return Response.json([])
    const body = new ReadableStream({
      type: 'bytes',
      start: (controller) => {
        this.#streams.add(controller)
        controller.enqueue(encoder.encode(': open\n\n'))
      },
    })
    return new Response(body, { headers: { 'content-type': 'text/event-stream' } })
  }

  override webSocketMessage(socket: WebSocket, message: string): void {
    socket.send(message)
  }

  /** RFC 6455 wants an answer, which the runtime does not give for a hibernatable WebSocket. */
  override webSocketClose(socket: WebSocket): void {
    socket.close()
  }

  sendToSockets(text: string): void {
    for (const socket of this.ctx.getWebSockets()) socket.send(text)
  }

  sendToStreams(text: string): void {
    const bytes = encoder.encode(text)
    for (const controller of this.#streams) controller.enqueue(bytes.slice())
  }

  /** Events per second into SQLite, one row each. */
  insert(text: string, count: number): void {
    this.ctx.storage.sql.exec('CREATE TABLE IF NOT EXISTS rows (id INTEGER PRIMARY KEY, text TEXT)')
    for (let n = 0; n < count; n += 1) this.ctx.storage.sql.exec('INSERT INTO rows (text) VALUES (?)', text)
  }
}

/**
 * The least that could be called publishing: a log's object stores the text, answers when it is durable, and passes it to
 * another object, which stores it, and then sends it to its sockets. Two calls, two commits, as Rigel has.
 */
export class BarePath extends DurableObject<BenchEnv> {
  constructor(ctx: DurableObjectState, env: BenchEnv) {
    super(ctx, env)
    this.ctx.storage.sql.exec('CREATE TABLE IF NOT EXISTS rows (id INTEGER PRIMARY KEY, text TEXT)')
  }

  async append(text: string): Promise<void> {
    await this.#store(text)
    this.ctx.waitUntil(this.env.BARE_PATH.getByName('shard').deliver(text))
  }

  async deliver(text: string): Promise<void> {
    await this.#store(text)
    for (const socket of this.ctx.getWebSockets()) socket.send(text)
  }

  override fetch(): Response {
    const { 0: client, 1: server } = new WebSocketPair()
    this.ctx.acceptWebSocket(server)
    return new Response(null, { status: 101, webSocket: client })
  }

  #store(text: string): Promise<void> {
    this.ctx.storage.sql.exec('INSERT INTO rows (text) VALUES (?)', text)
    return this.ctx.storage.sync()
  }
}

async function appendToShard(env: Env, shard: number, count: number, from: number, type: string): Promise<void> {
  for (let offset = from; offset < from + count; offset += 1) {
    const utf8 = encoder.encode(benchEvent(type))
    const packs = encodeBatches([{ offset, type, utf8, fields: {}, recipients: null }])
    await shardStub(env, shard).append([{ topic: TOPIC, partition: 0, generation: 0, packs }])
  }
}

/** A session with a type of its own, or, without a `type`, with one that all have. */
async function subscribe(env: Env, type: string): Promise<void> {
  const principal = { user: 'user', session: null, expSeconds: null }
  const subscriptions = [{ eventType: type === '' ? 'known' : `${type}.${crypto.randomUUID()}`, oneOf: [] }]
  const opened = await shardStub(env, 0).openLongpolling(principal, subscriptions, null)
  if (!opened.ok) throw new Error(JSON.stringify(opened.reason))
}

/** `count` new types at 16 shards, by the code of shards: 50 subscribers of each wait at a time. */
async function declareTypes(env: Env, count: number): Promise<void> {
  const directory = directoryStub(env)
  const subscribeMany = async (declarer: InterestDeclarer, shard: number) => {
    for (let n = 0; n < count / 800; n += 1) await declarer.add([`${shard}.${n}.${crypto.randomUUID()}`], [])
  }
  const shards = Array.from({ length: 16 }, (_, n) => {
    const shard = 1_000 + n
    const declarer = new InterestDeclarer(null, {
      declare: async (declaration) => directory.declareInterest({ ...declaration, shard }),
      confirmed: { types: () => [], users: () => [] },
      setLife: () => undefined,
      nowMs: () => Date.now(),
    })
    return Promise.all(Array.from({ length: 50 }, () => subscribeMany(declarer, shard)))
  })
  await Promise.all(shards)
}

/** `count` calls to the Directory, as many at a time. */
async function callDirectory(env: Env, count: number): Promise<void> {
  const directory = directoryStub(env)
  const call = async () => void (await directory.interestVersion())
  await runWithLimit(
    Array.from({ length: count }, () => call),
    800,
  )
}

/** `count` sessions at one shard with ten subscriptions each (`sets`: all `equal`, all `different`), or `none`. */
async function openSessions(env: Env, count: number, sets: string): Promise<void> {
  const open = (n: number) => async () => {
    const principal = { user: `user-${crypto.randomUUID()}`, session: null, expSeconds: null }
    const types = Array.from({ length: 10 }, (_, k) => `type.${(sets === 'equal' ? k : n * 7 + k * 61) % 1_000}`)
    // The third digit of n on is in the order of the types: no two of 20,000 sets are the same.
    const turned = [...types.slice(Math.floor(n / 1_000) % 10), ...types.slice(0, Math.floor(n / 1_000) % 10)]
    const subscriptions = (sets === 'none' ? [] : turned).map((eventType) => ({ eventType, oneOf: [] }))
    const opened = await shardStub(env, 0).openLongpolling(principal, subscriptions, null)
    if (!opened.ok) throw new Error(JSON.stringify(opened.reason))
  }
  await runWithLimit(
    Array.from({ length: count }, (_, n) => open(n)),
    50,
  )
}

/** `count` new members of a presence topic, of shards without connections. */
async function enterMany(env: Env, topic: string, count: number): Promise<void> {
  const enter = async () => {
    const connectionId = crypto.randomUUID()
    const meta = { time: Date.now(), username: connectionId.slice(0, 8) }
    await presenceStub(env, topic).enter({ shard: 0, connectionId, name: `member-${connectionId}`, meta })
  }
  await runWithLimit(
    Array.from({ length: count }, () => enter),
    100,
  )
}

/** About 100 bytes, all alike, so that both sides send the same. */
function benchEvent(type: string): string {
  return JSON.stringify({ specversion: '1.0', id: '0', source: '/bench', type, data: 'x'.repeat(30) })
}

/** Events of `bytes`, about. */
async function produceBacklog(env: Env, partition: number, count: number, bytes: number): Promise<void> {
  await embeddedBrokerStub(env).ensureTopic(TOPIC)
  const users = Array.from({ length: 100 }, (_, n) => `user-${n}`)
  for (let from = 0; from < count; from += PRODUCE_BATCH) {
    const records = Array.from({ length: Math.min(PRODUCE_BATCH, count - from) }, (_, n) => {
      const data = { recipients: [users[(from + n) % users.length]], text: 'x'.repeat(bytes - 150) }
      const json = JSON.stringify({ specversion: '1.0', id: String(from + n), source: '/bench', type: 'backlog', data })
      return { timestampMs: 0, key: null, headers: [], value: encoder.encode(json) }
    })
    await embeddedLogStub(env, { topic: TOPIC, partition }).append(records)
  }
}

async function bench(url: URL, request: Request, env: BenchEnv): Promise<Response> {
  const number = (name: string) => Number(url.searchParams.get(name))
  const text = url.searchParams.get('text') ?? ''
  const bare = env.BARE.getByName(url.searchParams.get('name') ?? 'bare')
  switch (url.pathname) {
    case '/bench/bare':
    case '/bench/bare/poll':
      return bare.fetch(request)
    case '/bench/path':
      if (request.headers.get('upgrade') === 'websocket') return env.BARE_PATH.getByName('shard').fetch(request)
      await env.BARE_PATH.getByName('log').append(await request.text())
      return new Response('{"ok":true}', { status: 202 })
    case '/bench/bare/sockets':
      // One call an event, as a follower makes them: many in one call would leave as one write a socket.
      for (let n = 0; n < number('count'); n += 1) await bare.sendToSockets(text)
      break
    case '/bench/bare/streams':
      for (let n = 0; n < number('count'); n += 1) await bare.sendToStreams(text)
      break
    case '/bench/bare/insert':
      await bare.insert(text, number('count'))
      break
    case '/bench/shard':
      await appendToShard(
        env,
        number('shard'),
        number('count'),
        number('from'),
        url.searchParams.get('type') ?? 'bench',
      )
      break
    case '/bench/produce':
      await produceBacklog(env, number('partition'), number('count'), number('bytes') || 300)
      break
    case '/bench/follow': {
      const follower = followerStub(env, { topic: TOPIC, partition: number('partition') })
      await follower.nudge()
      return Response.json(await follower.status())
    }
    case '/bench/interest':
      await declareTypes(env, number('count'))
      break
    case '/bench/directory':
      await callDirectory(env, number('count'))
      break
    case '/bench/subscribe':
      await subscribe(env, url.searchParams.get('type') ?? '')
      break
    case '/bench/sessions':
      await openSessions(env, number('count'), url.searchParams.get('sets') ?? '')
      break
    case '/bench/presence':
      await enterMany(env, url.searchParams.get('topic') ?? '', number('count'))
      break
    case '/bench/counts/reset':
      resetCounts()
      break
    case '/bench/counts':
      return Response.json(takeCounts())
    case '/bench/event':
      return new Response(benchEvent(url.searchParams.get('type') ?? 'bench'))
    default:
      return new Response('no such bench', { status: 404 })
  }
  return new Response('done')
}

/** One for the isolate, as the real one is. */
let countedEnv: BenchEnv | undefined

export default {
  fetch(request, env, context) {
    // Rigel parses the URL by itself: parsed here too, it would cost Rigel what the bare path does not pay.
    if (!request.url.includes('/bench/')) {
      return handle(request, env.COUNT === undefined ? env : (countedEnv ??= countingEnv(env, COUNTED)), context)
    }
    const url = new URL(request.url)
    if (!url.pathname.startsWith(PASS)) return bench(url, request, env)
    return fetch(new Request(`${env.PASS_TO}${url.pathname.slice(PASS.length)}${url.search}`, request))
  },
} satisfies ExportedHandler<BenchEnv>
