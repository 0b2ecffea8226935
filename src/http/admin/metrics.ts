// GET /_rig/api/metrics: the figures to watch, in Prometheus' text format: connections by shard and transport, and for every
// follower its position, its lag and its dead letters.
import type { Context } from 'hono'
import { valuesOf } from '../../core/delivery/scatter-gather.ts'
import type { TopicPartition } from '../../core/events/kafka-record.ts'
import { broadcastCommand } from '../../rpc/shard.ts'
import { reportFollowers } from './follower-status.ts'
import type { HttpEnv } from '../worker-context.ts'
import { allShards } from './operations.ts'

interface Sample {
  readonly name: string
  readonly labels: Readonly<Record<string, string | number>>
  readonly value: number
}

const HELP: Readonly<Record<string, readonly [type: string, text: string]>> = {
  rigel_connections: ['gauge', 'Open connections'],
  rigel_follower_lag: ['gauge', 'Records in the log that the follower has not read'],
  rigel_follower_failures: ['gauge', 'Tries in a row that failed'],
  rigel_records_total: ['counter', 'Records read from the log'],
  rigel_dead_letters_total: ['counter', 'Records that went to the dead-letter topic, by reason'],
  rigel_lost_records_total: ['counter', 'Records that retention took before they were read'],
}

export async function metrics(c: Context<HttpEnv>): Promise<Response> {
  const { config } = c.var
  const samples = (await Promise.all([connectionSamples(c), followerSamples(c)])).flat()
  const blocks = Object.entries(HELP).map(([name, [type, text]]) => {
    const lines = samples.filter((sample) => sample.name === name).map(toLine)
    return [`# HELP ${name} ${text}`, `# TYPE ${name} ${type}`, ...lines].join('\n')
  })
  const info = `# HELP rigel_shards Configured shards\n# TYPE rigel_shards gauge\nrigel_shards ${config.shards}`
  return c.text(`${[info, ...blocks].join('\n')}\n`, 200, { 'content-type': 'text/plain; version=0.0.4' })
}

async function connectionSamples(c: Context<HttpEnv>): Promise<readonly Sample[]> {
  const answers = await broadcastCommand(c.env, allShards(c.var.config), { kind: 'count_connections' })
  const counts = valuesOf(answers)
  return answers.flatMap(({ shard }, index) =>
    Object.entries(counts[index] ?? {}).map(([transport, value]) => ({
      name: 'rigel_connections',
      labels: { shard, transport },
      value,
    })),
  )
}

async function followerSamples(c: Context<HttpEnv>): Promise<readonly Sample[]> {
  const followers = await reportFollowers(c)
  return followers.flatMap(({ topic, partition, counters, deadLetters, failures, lag }) => {
    const values = {
      // An unknown lag is not zero: no sample is written.
      ...(lag === null ? {} : { rigel_follower_lag: lag }),
      rigel_follower_failures: failures,
      rigel_records_total: counters?.records ?? 0,
      rigel_lost_records_total: counters?.lost ?? 0,
    }
    const samples = Object.entries(values).map(([name, value]) => ({ name, labels: { topic, partition }, value }))
    return [...samples, ...deadLetterSamples({ topic, partition }, counters?.deadLetters ?? 0, deadLetters.byReason)]
  })
}

/** One sample per reason. Dead letters that an older version counted are `unknown`. Without dead letters it is one zero, for alerts. */
function deadLetterSamples(
  at: TopicPartition,
  total: number,
  byReason: Readonly<Record<string, number>>,
): readonly Sample[] {
  const reasons = Object.entries(byReason)
  const unknown = total - reasons.reduce((sum, [, count]) => sum + count, 0)
  const all = reasons.length === 0 || unknown > 0 ? [...reasons, ['unknown', unknown] as const] : reasons
  return all.map(([reason, value]) => ({ name: 'rigel_dead_letters_total', labels: { ...at, reason }, value }))
}

function toLine({ name, labels, value }: Sample): string {
  const pairs = Object.entries(labels).map(([label, of]) => `${label}=${JSON.stringify(String(of))}`)
  return `${name}{${pairs.join(',')}} ${value}`
}
