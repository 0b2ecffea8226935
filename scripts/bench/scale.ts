// `npm run bench -- scale [--quick]`: ten million connections by simulation. The code that routes, looks up interest, follows the
// shard map and plans trees of relays is that of src/; calls, shards and time are simulated (scale/). Writes the table of
// docs/scale.md, where the assumptions are. A run of the same seed is the same run.
import { readFileSync, writeFileSync } from 'node:fs'
import { bitmapOf } from '../../src/core/interest/bitmap.ts'
import { InterestTable } from '../../src/core/interest/table.ts'
import { ShardRouting } from '../../src/core/shard-map/routing.ts'
import { allShardsOf, initialMap, type ShardMap } from '../../src/core/shard-map/shard-map.ts'
import { groupNumber } from '../../src/core/shard-map/shard-number.ts'
import { createRandom } from '../random.ts'
import { quantileOf, quick } from './figure.ts'
import { VirtualClock } from './scale/clock.ts'
import { Followers } from './scale/followers.ts'
import { Shards, type Costs } from './scale/transport.ts'

const PAGE = 'docs/scale.md'
const [BEGIN, END] = ['<!-- written by: npm run bench -- scale -->', '<!-- until here -->']
const SHARDS = 2_048
const PARTITIONS = 1_000
const CONNECTIONS = 10_000_000
const SECONDS = quick ? 2 : 4
const COSTS: Costs = { callLeast: 2, callMore: 3, crossing: 45, commit: 0.5, event: 0.01, relay: 0.3, delivery: 0.03 }
/** Milliseconds of a shard for one connection that comes back. */
const CONNECT_MS = 0.3
const EVERYBODY = 'everybody'
const TOPICS = 1_000
/** Shards with subscribers of a topic, and subscribers at each. */
const [TOPIC_SHARDS, TOPIC_SUBSCRIBERS] = [20, 50]
const MONTH_SECONDS = 2_592_000
/** Dollars: a request, a row written, an object that never sleeps for a month. */
const PRICES = { request: 0.15e-6, row: 1e-6, awake: 4.11 }
/** Goals: of what one object does a second. */
const LIMITS = { appends: 300, requests: 1_000 }

/** Events a second, of all partitions. */
interface Load {
  readonly addressed: number
  readonly toEverybody: number
  readonly toTopics: number
}

interface Scenario {
  readonly name: string
  readonly load: Load
  readonly map?: ShardMap
  /** Shards that fail meanwhile. */
  readonly disturb?: (world: {
    readonly clock: VirtualClock
    readonly shards: Shards
    readonly random: () => number
  }) => void
}

const OWN: Load = { addressed: CONNECTIONS / 360, toEverybody: 0, toTopics: 0 }
const MIXED: Load = { addressed: CONNECTIONS / 360, toEverybody: 1, toTopics: 200 }
const SCENARIOS: readonly Scenario[] = [
  { name: '10 events an hour to each user', load: OWN },
  { name: 'and 200 a second to topics, 1 to everybody', load: MIXED },
  { name: 'the same, 5 a second to everybody', load: { ...MIXED, toEverybody: 5 } },
  { name: 'the same as the second, a deploy resets every shard', load: MIXED, disturb: deploy },
  { name: 'the same, an eighth of the shards is gone for a quarter of the time', load: MIXED, disturb: loseRegion },
  {
    name: `the same, growing to ${(2 * SHARDS).toLocaleString('en')} shards (both written)`,
    load: MIXED,
    map: { version: 3, shards: 2 * SHARDS, change: { from: SHARDS, phase: 'writing_both' }, wanted: 2 * SHARDS },
  },
  ...[2, 3].map((groups) => inGroups('10 events an hour to each user', OWN, groups)),
  inGroups('and 200 a second to topics, 1 to everybody', MIXED, 2),
]

/** The same number of shards altogether, in groups (SHARD_GROUPS). */
function inGroups(name: string, load: Load, groups: number): Scenario {
  const numbers = Array.from({ length: groups - 1 }, (_, n) => groupNumber(`group ${n}`)).toSorted((a, b) => a - b)
  return {
    name: `${name}, in ${groups} groups of shards`,
    load,
    map: initialMap(Math.floor(SHARDS / groups), 1, numbers),
  }
}

/** Every shard is out of reach for a second, at some time of the middle half; its clients come back within five. */
function deploy({ clock, random, shards }: Parameters<NonNullable<Scenario['disturb']>>[0]): void {
  const middleMs = SECONDS * 500
  for (const shard of shards.counts.keys())
    void (async () => {
      await clock.sleep(SECONDS * 250 + random() * middleMs)
      shards.downUntil.set(shard, clock.nowMs + 1_000)
      for (let step = 0; step < 50; step += 1) {
        await clock.sleep(100)
        shards.occupy(shard, (CONNECT_MS * CONNECTIONS) / SHARDS / 50)
      }
    })()
}

function loseRegion({ clock, shards }: Parameters<NonNullable<Scenario['disturb']>>[0]): void {
  void (async () => {
    await clock.sleep(SECONDS * 250)
    for (let shard = 0; shard < SHARDS / 8; shard += 1) shards.downUntil.set(shard, clock.nowMs + SECONDS * 250)
  })()
}

function interestsOf(shards: readonly number[]): InterestTable {
  const types = shards.map(() => [EVERYBODY])
  for (let topic = 0; topic < TOPICS; topic += 1)
    for (let n = 0; n < TOPIC_SHARDS; n += 1) types[(topic * 17 + n * 97) % shards.length]?.push(`topic-${topic}`)
  const bitmaps = types.map((own, at) => ({ shard: shards[at] ?? 0, version: 1, bitmap: bitmapOf(own) }))
  return new InterestTable({ epoch: 'scale', version: 1 }, bitmaps)
}

async function run({ disturb, load, map = initialMap(SHARDS) }: Scenario) {
  const [clock, random] = [new VirtualClock(), createRandom(1).next]
  const all = allShardsOf(map)
  const perShard = CONNECTIONS / SHARDS
  const subscribers = (type: string) => (type === EVERYBODY ? perShard : TOPIC_SUBSCRIBERS)
  const shards = new Shards(all, clock, random, COSTS, subscribers)
  const total = load.addressed + load.toEverybody + load.toTopics
  const next = () => {
    const at = random() * total
    if (at < load.addressed) return { type: 'own', users: [`user-${Math.floor(random() * CONNECTIONS)}`] }
    const isTopic = at < load.addressed + load.toTopics
    return { type: isTopic ? `topic-${Math.floor(random() * TOPICS)}` : EVERYBODY, users: null }
  }
  const routing = new ShardRouting(map)
  const interests = interestsOf(all.slice(0, SHARDS))
  const rate = total / PARTITIONS
  const followers = new Followers({ partitions: PARTITIONS, rate, next, routing, interests, clock, random, shards })
  disturb?.({ clock, shards, random })
  const peak = { appends: 0, requests: 0 }
  for (let second = 1; second <= SECONDS; second += 1) {
    const before = new Map([...shards.counts].map(([shard, counts]) => [shard, { ...counts }]))
    await clock.run(second * 1_000)
    for (const [shard, counts] of shards.counts) {
      peak.appends = Math.max(peak.appends, counts.appends - (before.get(shard)?.appends ?? 0))
      peak.requests = Math.max(peak.requests, counts.requests - (before.get(shard)?.requests ?? 0))
    }
  }
  const counted = [...shards.counts.values()]
  const sum = (of: 'appends' | 'requests') => counted.reduce((total_, counts) => total_ + counts[of], 0) / SECONDS
  // A follower stores its checkpoint at most once a second.
  const rows = sum('appends') + Math.min(PARTITIONS, followers.batches / SECONDS)
  const busiest = Math.max(...counted.map(({ busyMs }) => busyMs)) / SECONDS / 10
  const dollars =
    (sum('requests') * PRICES.request + rows * PRICES.row) * MONTH_SECONDS + (all.length + PARTITIONS) * PRICES.awake
  return {
    calls: sum('requests'),
    rows,
    p50: quantileOf(followers.latencies, 0.5),
    p99: quantileOf(followers.latencies, 0.99),
    ...peak,
    busiest,
    dollars,
  }
}

/** Returns whether no object does more than LIMITS. */
export async function scale(): Promise<boolean> {
  const head = [
    'load',
    'calls/s',
    'rows/s',
    'p50, ms',
    'p99, ms',
    'most appends/s',
    'most requests/s',
    'busiest shard',
    '$ a month',
  ]
  const lines = [`| ${head.join(' | ')} |`, `|---|${'--:|'.repeat(head.length - 1)}`]
  let isWithin = true
  for (const scenario of SCENARIOS) {
    const one = await run(scenario)
    const numbers = [one.calls, one.rows, one.p50, one.p99, one.appends, one.requests].map(show)
    lines.push(`| ${[scenario.name, ...numbers, `${show(one.busiest)} %`, show(one.dollars)].join(' | ')} |`)
    console.log(lines.at(-1))
    isWithin &&= one.appends < LIMITS.appends && one.requests < LIMITS.requests
  }
  if (!quick) writeTable(lines)
  return isWithin
}

function writeTable(lines: readonly string[]): void {
  const page = readFileSync(PAGE, 'utf8')
  const [before = '', rest = ''] = page.split(BEGIN)
  writeFileSync(PAGE, `${before}${BEGIN}\n\n${lines.join('\n')}\n\n${END}${rest.split(END)[1] ?? ''}`)
}

function show(value: number): string {
  return Math.round(value).toLocaleString('en')
}
