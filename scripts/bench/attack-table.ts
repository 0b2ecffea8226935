// Writes what attacks.ts measured into docs/benchmarks.md.
import { readFileSync, writeFileSync } from 'node:fs'
import { quantileOf } from './figure.ts'

const PAGE = 'docs/benchmarks.md'
const BEGIN = '<!-- written by: npm run bench -- attacks -->'
const END = '<!-- until here -->'

export interface Latencies {
  readonly deliveryMs: readonly number[]
  readonly openMs: readonly number[]
}

export interface AttackResult {
  readonly label: string
  readonly idle: Latencies
  readonly attacked: Latencies
  /** Highest memory during the attack minus memory before it. */
  readonly grownMiB: number
  readonly done: number
  readonly refused: number
  readonly seconds: number
}

/** `events`: how many were measured of each row. */
export function writeAttackTable(measured: readonly AttackResult[], joins: readonly string[], events: number): void {
  const page = readFileSync(PAGE, 'utf8')
  const [from, to] = [page.indexOf(BEGIN), page.indexOf(END)]
  if (from < 0 || to < from) throw new Error(`${PAGE} has no place for the table: ${BEGIN} … ${END}`)
  const rows = measured.map(({ attacked, done, grownMiB, idle, label, refused, seconds }) => {
    const times = (['deliveryMs', 'openMs'] as const).flatMap((what) =>
      [0.5, 0.99].map((quantile) => {
        const [under, alone] = [quantileOf(attacked[what], quantile), quantileOf(idle[what], quantile)]
        return `${alone.toFixed(1)} → ${under.toFixed(1)} (${(under / alone).toFixed(1)})`
      }),
    )
    const work = `${Math.round(done / seconds)} (${Math.round(refused / seconds)})`
    return `| ${[label, ...times, work, `${Math.round(grownMiB)}`].join(' | ')} |`
  })
  const table = [
    BEGIN,
    '',
    `${new Date().toISOString().slice(0, 10)}, ${events} events each, of users of one shard. Milliseconds, idle → under attack (ratio):`,
    '',
    '| attack | delivery, p50 | delivery, p99 | new stream, p50 | new stream, p99 | done (refused) a second | MiB more |',
    '|---|--:|--:|--:|--:|--:|--:|',
    ...rows,
    '',
    ...joins,
    '',
  ]
  writeFileSync(PAGE, `${page.slice(0, from)}${table.join('\n')}${page.slice(to)}`)
}
