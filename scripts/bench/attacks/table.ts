// Writes what attacks.ts has measured to docs/benchmarks.md.
import { quantileOf } from '../figure.ts'
import { writeTable } from '../page.ts'
import type { Window } from './victim.ts'

/** What the victim saw while the attacker worked on the gateway, or on the bystander. */
export interface Side extends Window {
  /** Actions of the attacker that were answered, and that were refused. */
  done: number
  refused: number
  seconds: number
  /** CPU of the attacker, and of what it attacked. */
  clientCpuMs: number
  attackedCpuMs: number
  /** The most memory during the attack, beyond what there was before. */
  grownMiB: number
}

export interface Measured {
  readonly label: string
  /** The victim alone: `attackedCpuMs` is the gateway's CPU for it. */
  readonly idle: Side
  readonly attacked: Side
  readonly control: Side
  /** Under bare requests in the gateway's workerd, for some attacks. */
  readonly bare: Side | undefined
}

/** `where`: of conditions(), before the attacks. `lines`: below the table. */
export function writePage(measured: readonly Measured[], lines: readonly string[], where: string): void {
  writeTable('attacks', [
    `${where} ${measured[0]?.idle.deliveryMs.length} events each, of users of one shard. Milliseconds, p99: idle, ` +
      'under attack (times idle, times the control), and under the control. CPU: percent of a core, of the attacker and of the gateway.',
    '',
    '| attack | delivery: idle | attacked | control | new stream: idle | attacked | control | done (refused) a second | CPU | MiB more |',
    '|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|',
    ...measured.map(rowOf),
    '',
    ...lines,
  ])
}

function rowOf({ attacked, control, idle, label }: Measured): string {
  const times = (['deliveryMs', 'openMs'] as const).flatMap((what) => {
    const [alone = 0, under = 0, beside = 0] = [idle, attacked, control].map((one) => quantileOf(one[what], 0.99))
    const ratios = `${(under / alone).toFixed(1)}, ${(under / beside).toFixed(1)}`
    return [alone.toFixed(1), `${under.toFixed(1)} (${ratios})`, beside.toFixed(1)]
  })
  const { attackedCpuMs, clientCpuMs, done, grownMiB, refused, seconds } = attacked
  const work = `${Math.round(done / seconds)} (${Math.round(refused / seconds)})`
  const cpu = [clientCpuMs, attackedCpuMs].map((ms) => Math.round(ms / seconds / 10)).join(' + ')
  return `| ${[label, ...times, work, cpu, `${Math.round(grownMiB)}`].join(' | ')} |`
}
