// Writes measured tables to docs/benchmarks.md, each between `<!-- written by: npm run bench -- NAME… -->` and
// `<!-- until here -->`. Used by bench.ts with --write, and by attacks.ts.
import { execFileSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { cpus, loadavg } from 'node:os'
import { ratioOf, show, type Figure } from './figure.ts'
import { WORKERD } from './rig.ts'

const PAGE = 'docs/benchmarks.md'
const COMMAND = 'npm run bench --'
const END = '<!-- until here -->'

/** Where the figures are from: the load before tells whether the machine was quiet. To be read before measuring. */
export function conditions(): string {
  const day = new Date().toISOString().slice(0, 10)
  const version = execFileSync(WORKERD, ['--version'], { encoding: 'utf8' }).trim()
  const model = cpus()[0]?.model.replace(/ \d+-Core Processor/, '') ?? 'unknown'
  return `${day}, ${cpus().length} cores of ${model}, ${version}, load average before: ${loadavg()[0]?.toFixed(1)}.`
}

/** Replaces the tables of which every figure's name was measured, but for `attacks`, which writes a table of its own. */
export function writeTables(measured: ReadonlyMap<string, readonly Figure[]>, where: string): void {
  const page = readFileSync(PAGE, 'utf8')
  for (const [, names = ''] of page.matchAll(/<!-- written by: npm run bench -- (.+?) -->/g)) {
    const tables = names.split(' ').map((name) => measured.get(name))
    const figures = tables.flatMap((table) => table ?? [])
    if (tables.every((table) => table !== undefined) && names !== 'attacks')
      writeTable(names, [
        where,
        '',
        '| figure | Rigel | bare | unit | ratio | goal |',
        '|---|--:|--:|---|--:|--:|',
        ...figures.map(rowOf),
      ])
  }
}

/** Writes the lines of one table, whose figures have these names. */
export function writeTable(names: string, lines: readonly string[]): void {
  const page = readFileSync(PAGE, 'utf8')
  const begin = `<!-- written by: ${COMMAND} ${names} -->`
  const from = page.indexOf(begin)
  const to = page.indexOf(END, from)
  if (from < 0 || to < from) throw new Error(`${PAGE} has no place for the table: ${begin} … ${END}`)
  writeFileSync(PAGE, `${page.slice(0, from)}${[begin, '', ...lines, ''].join('\n')}${page.slice(to)}`)
}

function rowOf(one: Figure): string {
  const ratio = ratioOf(one)
  const cells = [
    one.figure,
    show(one.rigel),
    one.bare === undefined ? '' : show(one.bare),
    one.unit,
    ratio === undefined ? '' : ratio.toFixed(2),
    goalOf(one),
  ]
  return `| ${cells.join(' | ')} |`
}

function goalOf({ absoluteGoal, goal, unit }: Figure): string {
  if (goal !== undefined) return String(goal)
  return absoluteGoal === undefined ? '' : `${absoluteGoal.toLocaleString('en')} ${unit}`
}
