// `npm run lock`, after `npm install` changed package-lock.json; `npm run check:lock` fails if it was forgotten. Every package of
// the lock needs an integrity hash, those of other platforms too: npm keeps an entry without one as it is, so such entries
// are dropped and resolved again. `engines` is left out: the scripts run on the Node 24 that `npm ci` brings, and on Node 20
// npm would print a page of EBADENGINE warnings about packages that the Node of the installation never runs.
import { execFileSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'

interface LockEntry {
  readonly integrity?: string
  engines?: unknown
}

interface Lock {
  packages: Record<string, LockEntry>
}

const FILE = 'package-lock.json'
const isCheck = process.argv.includes('--check')

if (!isCheck) {
  write(keepHashed(read()))
  execFileSync('npm', ['install', '--package-lock-only', '--ignore-scripts', '--loglevel=error'], { stdio: 'inherit' })
  write(withoutEngines(read()))
}
const problems = problemsOf(read())
for (const problem of problems) console.error(problem)
console.log(`${FILE}: ${problems.length === 0 ? 'every package has an integrity hash' : 'run `npm run lock`'}`)
process.exitCode = problems.length === 0 ? 0 : 1

function problemsOf({ packages }: Lock): readonly string[] {
  return Object.entries(packages).flatMap(([path, { engines, integrity }]) => {
    if (path === '') return []
    return [...(integrity ? [] : [`${path}: has no integrity hash`]), ...(engines ? [`${path}: has engines`] : [])]
  })
}

function keepHashed(lock: Lock): Lock {
  const kept = Object.entries(lock.packages).filter(([path, { integrity }]) => path === '' || integrity !== undefined)
  return { ...lock, packages: Object.fromEntries(kept) }
}

function withoutEngines(lock: Lock): Lock {
  for (const [path, entry] of Object.entries(lock.packages)) if (path !== '') delete entry.engines
  return lock
}

function read(): Lock {
  return JSON.parse(readFileSync(FILE, 'utf8')) as Lock
}

function write(lock: Lock): void {
  writeFileSync(FILE, `${JSON.stringify(lock, null, 2)}\n`)
}
