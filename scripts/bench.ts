// `npm run bench [-- figure…] [-- --quick]`: what Rigel costs, each figure beside the least that could be called the same
// in the same run: a bare Durable Object or a bare `fetch` in the same workerd, or nginx. Prints a line as it goes, a
// table, and one JSON line a figure; with `--write` the tables of docs/benchmarks.md are written anew. Absolute numbers are of this machine; the ratios are what counts. Figures: sockets,
// rigel-v1, streams, phoenix, connections, publishing, latency, backlog, memory, growth, waking, returning, replaying, interest, followers,
// attacks, subscriptions, full-shard, tables, gateway (which needs Debian's packages nginx and wrk), kafka (which needs Java 17), sources (NATS,
// which needs Go, and Kinesis, which needs Python 3). `bill`, by itself, counts what Cloudflare would bill, and compares it with docs/cost.md; `scale`, by itself, simulates ten million connections and writes docs/scale.md.
import { attacks } from './bench/attacks/attacks.ts'
import { bill } from './bench/bill.ts'
import { fanOutToPhoenix, fanOutToSockets, fanOutToStreams, growth, memory } from './bench/fan-out.ts'
import { connections } from './bench/connections.ts'
import { ratioOf, show, type Figure } from './bench/figure.ts'
import { followers } from './bench/followers.ts'
import { fullShard } from './bench/full-shard.ts'
import { gateway } from './bench/gateway.ts'
import { interest } from './bench/interest.ts'
import { kafka } from './bench/kafka.ts'
import { conditions, writeTables } from './bench/page.ts'
import { backlog, latency } from './bench/pipeline.ts'
import { publishing } from './bench/publishing.ts'
import { subscriptionMemory } from './bench/subscriptions.ts'
import { replaying } from './bench/replaying.ts'
import { returning } from './bench/returning.ts'
import { startRig, type Rig } from './bench/rig.ts'
import { waking } from './bench/waking.ts'
import { tables } from './bench/tables.ts'
import { scale } from './bench/scale.ts'
import { sources } from './bench/sources.ts'

const chosen = process.argv.slice(2).filter((word) => !word.startsWith('--'))

const onRig = (measure: (rig: Rig) => Promise<readonly Figure[]>) => async (): Promise<readonly Figure[]> => {
  const rig = await startRig()
  try {
    return await measure(rig)
  } finally {
    rig.stop()
  }
}

const figures: Readonly<Record<string, () => Promise<readonly Figure[]>>> = {
  sockets: onRig((rig) => fanOutToSockets(rig, 'fan-out to WebSockets, plain frames')),
  'rigel-v1': onRig((rig) => fanOutToSockets(rig, 'fan-out to WebSockets, rigel.v1', 'rigel.v1')),
  streams: onRig(fanOutToStreams),
  phoenix: onRig(fanOutToPhoenix),
  connections,
  publishing,
  latency: onRig(latency),
  backlog: onRig(backlog),
  memory,
  growth: onRig(growth),
  waking: onRig(waking),
  returning,
  replaying,
  interest,
  followers,
  attacks,
  subscriptions: subscriptionMemory,
  'full-shard': fullShard,
  tables,
  gateway,
  kafka,
  sources,
}

// Not a figure: what is billed, compared with docs/cost.md.
if (chosen.includes('bill')) process.exit((await bill()) ? 0 : 1)
if (chosen.includes('scale')) process.exit((await scale()) ? 0 : 1)

const where = conditions()
const measured = new Map<string, readonly Figure[]>()
for (const [name, measure] of Object.entries(figures)) {
  if (chosen.length > 0 && !chosen.includes(name)) continue
  const results = await measure()
  measured.set(name, results)
  for (const one of results) {
    const beside = one.bare === undefined ? '' : ` beside ${show(one.bare)}`
    console.log(`${one.figure}: ${show(one.rigel)}${beside} ${one.unit}${inWords(ratioOf(one))}`)
  }
}
const results = [...measured.values()].flat().map((one) => ({ ...one, ratio: ratioOf(one) }))
console.table(
  results.map(({ bare, ratio, rigel, ...rest }) => ({
    ...rest,
    rigel: show(rigel),
    bare: bare && show(bare),
    ratio: ratio?.toFixed(2),
  })),
)
for (const result of results) console.log(JSON.stringify(result))
if (process.argv.includes('--write')) writeTables(measured, where)
process.exit(0)

function inWords(ratio: number | undefined): string {
  return ratio === undefined ? '' : `, ratio ${ratio.toFixed(2)}`
}
