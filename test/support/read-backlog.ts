// A program: decodes and routes the same fetch again and again, with a garbage collection after each few, when nothing of them is
// alive. Run by test/following/kept-shapes.pure.test.ts with `--expose-gc --trace-deopt`, which prints the code that V8 discards.
import { encodeBatch } from '../../src/kafka/protocol/record-batch.ts'
import { decodeRecords } from '../../src/kafka/protocol/fetched-records.ts'
import { ShardRouting } from '../../src/core/shard-map/routing.ts'
import { initialMap } from '../../src/core/shard-map/shard-map.ts'
import { EventPlanner, EVENTS_RUN } from '../../src/following/plan-events.ts'

const COLLECTIONS = 10
const FETCHES = 100
const RECORDS = 200

const planner = new EventPlanner({
  topic: 'topic',
  partition: 0,
  maxEventBytes: 1_048_576,
  deadLetterTopic: 'dead',
  schemas: null,
  fanOut: 64,
  budget: EVENTS_RUN,
  deliver: null,
  rule: null,
  rules: {
    extractors: new Map(),
    recipients: { byType: new Map(), all: ['data', 'to'] },
    interests: { shardsOf: () => new Set(), watchersOf: () => new Set() },
    tables: null,
  },
  shardMap: { routing: new ShardRouting(initialMap(4, 1)), planned: () => undefined },
  shards: { append: async () => undefined, relay: () => Promise.reject(new Error('there are four shards')) },
  log: { produce: async () => [] },
})
const records = Array.from({ length: RECORDS }, (_, n) => {
  const event = { specversion: '1.0', id: `${n}`, source: '/a', type: 'a', data: { to: [`user-${n}`] } }
  return { topic: '', partition: 0, key: null, value: new TextEncoder().encode(JSON.stringify(event)), timestampMs: n }
})
const fetched = encodeBatch(records, { producerId: -1, epoch: -1, sequence: -1 }, 'none')

const { gc } = globalThis as { gc?: () => void }
for (let n = 0; n < COLLECTIONS; n += 1) {
  await readBacklog()
  // What a turn of the event loop refers to is alive in it.
  await new Promise((resolve) => setImmediate(resolve))
  console.log(`collection ${n}`)
  gc?.()
}

async function readBacklog(): Promise<void> {
  for (let n = 0; n < FETCHES; n += 1) {
    const { stages } = await planner.plan(decodeRecords({ topic: 'topic', partition: 0 }, 0, fetched.slice()), 0)
    for (const stage of stages) await Promise.all(stage.map((call) => call()))
  }
}
