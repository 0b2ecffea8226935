// The outside of the topic, by the real @upstash/kafka: a producer that goes on through kills, and the truth, which is
// what the log holds in the end. The client retries by itself, so a produce whose answer was lost may stand there twice;
// then it was produced twice, and whoever it is for must see it twice.
import type { Kafka } from '@upstash/kafka'
import { sleep } from './rigel.ts'

export const TOPIC = 'rig'

export interface Produced {
  readonly id: string
  readonly type: string
  readonly data: { readonly key: string; readonly n: number; readonly recipients?: readonly string[] }
}

export interface Plan {
  readonly type: string
  readonly recipients?: readonly string[]
}

export interface Pace {
  /** Of the keys, one per plan: what one key names stays in order. */
  readonly name: string
  readonly rounds: number
  readonly everyMs: number
}

/** Produces every plan once a round, each when the one before it is in the log. */
export async function produceAll(kafka: Kafka, plans: readonly Plan[], pace: Pace): Promise<void> {
  for (let n = 0; n < pace.rounds; n++) {
    await Promise.all(plans.map((plan, index) => produceOne(kafka, plan, `${pace.name}-${index}`, n)))
    await sleep(pace.everyMs)
  }
}

async function produceOne(kafka: Kafka, { type, recipients }: Plan, key: string, n: number): Promise<void> {
  const data = recipients ? { key, n, recipients } : { key, n }
  const event = { specversion: '1.0', id: `${key}/${n}`, source: '/e2e', type, data }
  for (;;) {
    try {
      await kafka.producer().produce(TOPIC, event, { key })
      return
    } catch {
      await sleep(500)
    }
  }
}

/** Everything in the topic, partition after partition, as a consumer without a group reads it. */
export async function readAll(kafka: Kafka): Promise<Produced[]> {
  const partitions = (await kafka.admin().topics())[TOPIC] ?? 0
  const all: Produced[] = []
  for (let partition = 0; partition < partitions; partition++) {
    for (let offset = 0; ;) {
      const messages = await kafka.consumer().fetch({ topic: TOPIC, partition, offset, timeout: 200 })
      if (messages.length === 0) break
      all.push(...messages.map(({ value }) => JSON.parse(value) as Produced))
      offset = Math.max(...messages.map((message) => message.offset)) + 1
    }
  }
  return all
}

/** What one client should see: what names its user, and of what names nobody the types that it subscribed to. */
export function producedFor(all: readonly Produced[], user: string | null, types: readonly string[]): Produced[] {
  return all.filter(({ type, data }) =>
    data.recipients ? user !== null && data.recipients.includes(user) : types.includes(type),
  )
}
