// Pages of history beside streams: users with different rights read what is stored, in pages of one event and of a thousand, while
// events arrive, retention drops the oldest, and shards are added. Pages together have what a stream with the same rights got, in its
// order, from the time on at which the answer says that they are complete. Run: npm run test:e2e
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { Rigel, sleep, until } from './rigel.ts'

const TYPES = ['h.a', 'h.b', 'h.secret', 'h.present', 'other']
const TENANTS = ['a', 'b', 7, '7', ['a', 'c']]
const PUBLISH_EVERY_MS = 25
/** Reading one by one is slower than the events come. */
const MAX_PAGES = 40

interface UserPlan {
  readonly claims: object
  readonly subscriptions: readonly { readonly eventType: string; readonly oneOf?: readonly object[] }[]
  /** Whether the user may read events of the type from the past, too. */
  readonly isHistory?: (type: string) => boolean
}

const isPresent = (type: string) => type === 'h.present'

const USERS: Readonly<Record<string, UserPlan>> = {
  all: { claims: { roles: ['admin'], scope: 'past' }, subscriptions: [{ eventType: '*' }], isHistory: () => true },
  tenant: { claims: { tenant: 'a' }, subscriptions: [{ eventType: 'h.*' }] },
  number: { claims: { tenant: 7 }, subscriptions: [{ eventType: 'h.a' }] },
  filter: {
    claims: { tenant: ['a', 'b'] },
    subscriptions: [{ eventType: 'h.a' }, { eventType: 'h.b', oneOf: [{ n: 1 }, { n: 2 }] }],
  },
  narrowed: {
    claims: { tenant: 'a', rig: { history: ['h.b'] } },
    subscriptions: [{ eventType: 'h.*' }],
    isHistory: (type) => type === 'h.b',
  },
}

let rigel: Rigel
const run = { isOver: false }
let retentionGaps = 0
let compared = 0
/** Event id → when it was about to be published, in milliseconds since the epoch. */
const publishedMs = new Map<string, number>()

before(async () => {
  rigel = await Rigel.start({
    SHARDS: '2',
    KAFKA_PARTITIONS: '3',
    LOG_RETENTION_BYTES: '600000',
    RECONNECT_MS: '100',
    SUBMISSION_CHECK: 'no_check',
    EXTRACTORS: JSON.stringify({
      'h.*': {
        tenant: { event: { json_pointer: '/data/tenant' } },
        n: { stable_field_index: 1, event: { json_pointer: '/data/n' } },
      },
    }),
    TYPES: JSON.stringify({
      'h.a': { subscribe: [{ claim: '/tenant', field: 'tenant' }, { role: 'admin' }] },
      'h.secret': { subscribe: { role: 'admin' } },
      'h.present': { history: { scope: 'past' } },
    }),
  })
})

after(() => rigel?.end())

interface Item {
  readonly id: string
  readonly event: { readonly id: string; readonly type: string; readonly data?: { readonly recovered?: boolean } }
}

interface Page {
  readonly events: readonly Item[]
  readonly last_event_id: string
  readonly complete_since: string | null
  readonly has_more: boolean
}

/** What one scan has read. `after`: where it ended. */
interface Scan {
  readonly ids: readonly string[]
  readonly completeMs: number
  readonly isWhole: boolean
}

class User {
  readonly name: string
  readonly plan: UserPlan
  readonly received: Item['event'][] = []
  #token = ''
  #position = ''
  #isOpen = false

  constructor(name: string, plan: UserPlan) {
    this.name = name
    this.plan = plan
  }

  async open(): Promise<void> {
    this.#token = await rigel.mintToken(this.name, this.plan.claims)
    void this.#stream()
    await until(`${this.name} is connected`, () => this.#isOpen)
  }

  /** Comes back when its shard sends it away. */
  async #stream(): Promise<void> {
    while (!run.isOver) {
      await this.#read().catch(() => undefined)
      await sleep(50)
    }
  }

  async #read(): Promise<void> {
    const query = this.#query(this.#position === '' ? {} : { last_event_id: this.#position })
    const response = await fetch(`${rigel.origin}/_rig/v1/connection/ndjson?${query}`, { headers: this.#headers })
    if (!response.ok || response.body === null) return
    let text = ''
    for await (const part of response.body.pipeThrough(new TextDecoderStream())) {
      const lines = (text + part).split('\n')
      text = lines.pop() ?? ''
      for (const line of lines) this.#take(JSON.parse(line) as Partial<Item>)
      if (run.isOver) return
    }
  }

  #take({ event, id }: Partial<Item>): void {
    this.#position = id ?? this.#position
    this.#isOpen ||= event?.type === 'rig.subscriptions_set'
    if (event?.type === 'rig.connection.create') assert.notEqual(event.data?.recovered, false, this.name)
    else if (event?.type.startsWith('rig.') === false) this.received.push(event)
  }

  #query(more: Readonly<Record<string, string>>): string {
    return new URLSearchParams({ subscriptions: JSON.stringify(this.plan.subscriptions), ...more }).toString()
  }

  get #headers(): Record<string, string> {
    return { authorization: `Bearer ${this.#token}` }
  }

  async scan(since: string, limit: string): Promise<Scan> {
    const ids: string[] = []
    let completeMs: number | undefined
    let from: Record<string, string> = { since }
    for (let pages = 1; ; pages += 1) {
      const page = await this.#page({ ...from, limit })
      if (page === null) retentionGaps += 1
      if (page !== null) ids.push(...page.events.map(({ event }) => event.id))
      completeMs ??= page?.complete_since ? Date.parse(page.complete_since) : Infinity
      const isWhole = page?.has_more === false
      if (page === null || isWhole || (pages >= MAX_PAGES && ids.length > 0)) return { ids, completeMs, isWhole }
      from = { after: page.last_event_id }
    }
  }

  /** Null: what followed has been dropped meanwhile, or the user has moved to another shard. */
  async #page(parameters: Readonly<Record<string, string>>): Promise<Page | null> {
    for (;;) {
      const response = await fetch(`${rigel.origin}/_rig/v1/history?${this.#query(parameters)}`, {
        headers: this.#headers,
      })
      if (response.ok) return (await response.json()) as Page
      const text = await response.text()
      if (response.status === 400 && text.startsWith('after is no position')) return null
      assert.ok([429, 503].includes(response.status), `${response.status}: ${text}`)
      await sleep(100)
    }
  }

  /** Reads, and compares with what the stream had got before. */
  async check(limit: string, agoMs: number): Promise<void> {
    const sinceMs = Date.now() - agoMs
    const had = this.received.length
    const { completeMs, ids, isWhole } = await this.scan(new Date(sinceMs).toISOString(), limit)
    await until(`${this.name} is as far`, () => this.received.some(({ id }) => id === ids.at(-1)) || ids.length === 0)
    const mayRead = this.received
      .filter(({ type }) => this.plan.isHistory?.(type) ?? !isPresent(type))
      .map(({ id }) => id)
    const read = new Set(ids)
    assert.deepEqual(
      ids,
      mayRead.filter((id) => read.has(id)),
      `${this.name}: each once, in the order of the stream`,
    )
    const early = new Set(this.received.slice(0, had).map(({ id }) => id))
    const upTo = isWhole ? mayRead.length : mayRead.indexOf(ids.at(-1) ?? '') + 1
    const due = mayRead
      .slice(0, upTo)
      .filter((id) => early.has(id) && (publishedMs.get(id) ?? 0) > Math.max(sinceMs, completeMs))
    compared += due.length
    const missing = due.filter((id) => !read.has(id))
    assert.deepEqual(missing, [], `${this.name}, limit ${limit}, complete since ${new Date(completeMs).toISOString()}`)
  }
}

async function publishAll(): Promise<void> {
  for (let n = 0; !run.isOver;) {
    const events = Array.from({ length: 8 }, () => {
      n += 1
      const id = String(n)
      publishedMs.set(id, Date.now())
      const recipients = n % 9 === 0 ? { recipients: [Object.keys(USERS)[Math.floor(n / 9) % 5]] } : {}
      const data = { n: n % 4, tenant: TENANTS[(n * 7) % 5], pad: 'x'.repeat(n % 10 === 0 ? 2_000 : 50), ...recipients }
      return { specversion: '1.0', id, source: '/e2e', type: TYPES[n % 5], partitionkey: String(n % 7), data }
    })
    const headers = { 'content-type': 'application/cloudevents-batch+json' }
    const response = await fetch(`${rigel.origin}/_rig/v1/events`, {
      method: 'POST',
      headers,
      body: JSON.stringify(events),
    })
    assert.equal(response.status, 202, await response.text())
    await sleep(PUBLISH_EVERY_MS)
  }
}

void test(
  'pages of history are what a stream got, from the time on at which they are complete',
  { timeout: 180_000 },
  async (t) => {
    const users = Object.entries(USERS).map(([name, plan]) => new User(name, plan))
    await Promise.all(users.map((user) => user.open()))
    const publishing = publishAll()
    const round = async () => {
      // All, a time that is surely complete, and one that surely is not.
      for (const [limit, agoMs] of [
        ['1', 300],
        ['7', 1_500],
        ['1000', 3_600_000],
      ] as const)
        await Promise.all(users.map((user) => user.check(limit, agoMs)))
    }
    try {
      await sleep(1_000)
      await round()
      const headers = { authorization: 'Bearer a-development-token', 'content-type': 'application/json' }
      const grown = await fetch(`${rigel.origin}/_rig/api/v1/shards`, { method: 'PUT', headers, body: '{"shards":5}' })
      assert.equal(grown.status, 202)
      for (let n = 0; n < 3; n += 1) await round()
    } finally {
      run.isOver = true
      await publishing
    }
    assert.ok(compared > 1_000, `${compared} events were compared`)
    t.diagnostic(
      `${publishedMs.size} events, ${compared} comparisons, ${retentionGaps} scans that retention or a move ended`,
    )
  },
)
