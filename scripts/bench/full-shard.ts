// A shard that has all that its clients can make it hold, each up to the default limit and all at once, in an isolate whose heap has the
// limit of Cloudflare's: it must live. The isolate has the Worker, the Directory, a follower and the log besides, which on Cloudflare
// have isolates of their own. With a far lower limit the same must kill it, or the limit would prove nothing. The clients are held by
// another workerd (worker/holder.ts): each takes two file descriptors over TCP.
import { pause, quick, type Figure } from './figure.ts'
import { SECRET, type Plan } from './plan.ts'
import { call, positionAt, startRig, type Rig } from './rig.ts'

/** 128 MB. */
const ISOLATE_MIB = 122
/** The rest is for bytes that wait for readers: they are outside the heap. */
const HEAP_MIB = ISOLATE_MIB - 12
/** The clients alone take more. */
const TOO_SMALL_MIB = 48
const PART = quick ? 0.1 : 1

/** The product's own limits, where the bench has others. Openings are not paced: that takes time, not memory. */
const VARIABLES = {
  SHARDS: '1',
  KAFKA_PARTITIONS: '1',
  JWT_SECRET_KEY: SECRET,
  INTERNAL_TOKEN: 'a-token-of-the-bench',
  PRIVILEGED_ROLES: 'support',
  // Clients of the bench send no heartbeats.
  PHOENIX_TIMEOUT_SECONDS: '600',
  MAX_SUBSCRIPTIONS_PER_CONNECTION: '100',
  MAX_SUBSCRIPTION_BYTES_PER_SHARD: '',
  TABLES: '{"row":{"topic":"rig"}}',
  EXTRACTORS: '{"constrained":{"name":{"event":{"json_pointer":"/data/name"}}}}',
}

/** Each client has this many types that no other has: all that a shard may know, of the most characters that count as one. */
const TYPES_EACH = 25
const TYPE_CHARS = 95
const WITH_TYPES = 639
/** With a set of subscriptions that all of them have. */
const ALIKE = 6_700
/** With a constraint that no other has: until no more subscriptions fit. */
const CONSTRAINED = 8_050
const PHOENIX = 500
const CHANNELS = 7
/** Each has about two chunks of 64 KiB that its client does not read: with more of them the shard closes some. */
const REPLAYS = 90
const LOG_MIB = 48
const MEMBERS = 20_000
const ROWS = 20_000
const STAY_EVERY_MS = 3_000
/** Openings keep memory until timers that they have set are due. By then the limit on waiting bytes has been applied, too. */
const OPENED_MS = 12_000
const EVENTS = 50

const CONNECTIONS = 15_900
const CONNECTION = '/_rig/v1/connection'

export async function fullShard(): Promise<readonly Figure[]> {
  const full = await fill(HEAP_MIB)
  if (full === undefined) throw new Error(`the shard did not live in a heap of ${HEAP_MIB} MiB`)
  if (!quick && (await fill(TOO_SMALL_MIB)) !== undefined)
    throw new Error(`the shard lived in a heap of ${TOO_SMALL_MIB} MiB: the limit does not work`)
  return full
}

/** Returns the figures; undefined: the isolate has ended. */
async function fill(heapMiB: number): Promise<readonly Figure[] | undefined> {
  const [clients, rig] = [await startRig(), await startRig(VARIABLES, heapMiB)]
  const staying = setInterval(() => void call(clients, 'stay').catch(() => undefined), STAY_EVERY_MS)
  try {
    return await new Filling(clients, rig).run()
  } catch (error) {
    await pause(STAY_EVERY_MS)
    if (rig.hasEnded()) return undefined
    throw error
  } finally {
    clearInterval(staying)
    for (const one of [clients, rig]) one.stop()
  }
}

class Filling {
  readonly #clients: Rig
  readonly #rig: Rig
  readonly #figures: Figure[] = []
  #usedMiB = 0

  constructor(clients: Rig, rig: Rig) {
    this.#clients = clients
    this.#rig = rig
  }

  async run(): Promise<readonly Figure[]> {
    await this.#measure('an empty isolate')
    await this.#typesAndEnded()
    const position = await positionAt(this.#rig, 0)
    await this.#open(ALIKE, streamOf([{ eventType: 'alike' }]), { users: true })
    await this.#measure(`${ALIKE.toLocaleString('en')} streams of users`)
    await this.#open(PHOENIX, `${CONNECTION}/phoenix/websocket?vsn=2.0.0`, { users: true, messages: joins() })
    await this.#measure(`${PHOENIX} Phoenix sockets with ${CHANNELS} channels each`)
    const own = { eventType: 'constrained', oneOf: [{ name: 'value-{n}' }] }
    await this.#open(CONSTRAINED, streamOf([own]), { users: true })
    await this.#measure(`${CONSTRAINED.toLocaleString('en')} streams with a constraint each`)
    await call(this.#rig, `presence?topic=role:crowd&count=${MEMBERS}`)
    await this.#open(1, `${CONNECTION}/phoenix/websocket?vsn=2.0.0`, { users: true, messages: [join('role:crowd', 1)] })
    await call(this.#rig, `changes?batch=100&count=${ROWS}&from=0&type=row&table`)
    await this.#measure(`a presence topic of ${MEMBERS.toLocaleString('en')} members, and a table`)
    await call(this.#rig, `full/log?mib=${LOG_MIB}`)
    await this.#open(REPLAYS, `${streamOf([{ eventType: 'old' }])}&last_event_id=${position}`, { reads: 'beginning' })
    await this.#measure(`${REPLAYS} replays to clients that do not read`)
    await call(this.#rig, `shard?shard=0&count=${EVENTS}&from=0&type=alike`)
    await this.#check()
    return [...this.#figures, await this.#whole()]
  }

  /** Clients that ask for all types and leave, and then others that ask for the same. */
  async #typesAndEnded(): Promise<void> {
    const own = streamOf(Array.from({ length: TYPES_EACH }, (_, k) => ({ eventType: typeOf('{n}', k) })))
    await this.#open(1, streamOf([{ eventType: 'old' }, { eventType: 'row', state: true }]), {})
    await this.#open(WITH_TYPES, own, {}, 'ended')
    await call(this.#clients, 'release?name=ended')
    await this.#open(WITH_TYPES, own, { users: true })
    await this.#measure(`${(WITH_TYPES * TYPES_EACH).toLocaleString('en')} types, and as many clients that have left`)
  }

  #users = 0

  async #open(count: number, path: string, more: Partial<Plan>, name = 'clients'): Promise<void> {
    const plan: Plan = {
      address: this.#rig.debugAddress,
      count: Math.ceil(count * PART),
      path,
      from: 0,
      reads: 'all',
      firstUser: this.#users,
      ...more,
    }
    this.#users += count
    const body = JSON.stringify(plan)
    const response = await fetch(`${this.#clients.origin}/bench/hold?name=${name}`, { method: 'POST', body })
    const text = await response.text()
    if (!response.ok || /"[45]\d\d"/.test(text)) throw new Error(`${path.slice(0, 80)}: ${text}`)
  }

  /** All are there still: what was measured is what they take. */
  async #check(): Promise<void> {
    const headers = { authorization: `Bearer ${VARIABLES.INTERNAL_TOKEN}` }
    const response = await fetch(`${this.#rig.origin}/_rig/api/v3/connections/count`, { headers })
    const { connections } = (await response.json()) as { connections: number }
    if (connections < CONNECTIONS * PART) throw new Error(`only ${connections} connections are open`)
  }

  async #measure(what: string): Promise<void> {
    await pause(OPENED_MS)
    const { externalBytes, usedBytes } = await this.#rig.heap()
    const usedMiB = (usedBytes + externalBytes) / 1_048_576
    console.log(
      `${what}: ${usedMiB.toFixed(1)} MiB, of them outside the heap ${(externalBytes / 1_048_576).toFixed(1)}`,
    )
    this.#figures.push({ figure: what, rigel: usedMiB - this.#usedMiB, unit: 'MiB' })
    this.#usedMiB = usedMiB
  }

  async #whole(): Promise<Figure> {
    const { externalBytes, usedBytes } = await this.#rig.heap()
    const rigel = (usedBytes + externalBytes) / 1_048_576
    return {
      figure: `all of it, after ${EVENTS} events to ${ALIKE.toLocaleString('en')} clients`,
      rigel,
      unit: 'MiB',
      absoluteGoal: ISOLATE_MIB,
    }
  }
}

function typeOf(group: string, n: number): string {
  return `t${group}.${n}.`.padEnd(TYPE_CHARS, 'x')
}

function streamOf(subscriptions: readonly object[]): string {
  const json = encodeURIComponent(JSON.stringify(subscriptions)).replaceAll(encodeURIComponent('{n}'), '{n}')
  return `${CONNECTION}/sse?subscriptions=${json}`
}

function joins(): readonly string[] {
  return Array.from({ length: CHANNELS }, (_, n) => join(`events:${typeOf('3', n)}`, n))
}

function join(topic: string, ref: number): string {
  return JSON.stringify(['1', String(ref), topic, 'phx_join', {}])
}
