// Run after `npm install` changed package-lock.json: node scripts/complete-lock.ts
// Adds the optional packages of other platforms that npm left out because its registry did not have them: without an
// entry for each `npm ci` refuses the lock. They are pinned exactly by the package that wants them; name gives platform.
// Such an entry has no integrity: on those platforms npm takes it from its registry.
import { readFileSync, writeFileSync } from 'node:fs'

interface LockEntry {
  version?: string
  optional?: boolean
  dev?: boolean
  os?: string[]
  cpu?: string[]
  optionalDependencies?: Record<string, string>
}

const OPERATING_SYSTEMS = [
  'aix',
  'android',
  'darwin',
  'freebsd',
  'linux',
  'netbsd',
  'openbsd',
  'openharmony',
  'sunos',
  'win32',
]
const OTHER_NAMES = new Map([
  ['windows', 'win32'],
  ['64', 'x64'],
])

const lock = JSON.parse(readFileSync('package-lock.json', 'utf8')) as { packages: Record<string, LockEntry> }
const added: string[] = []

for (const [path, entry] of Object.entries(lock.packages)) {
  for (const [name, version] of Object.entries(entry.optionalDependencies ?? {})) {
    const isThere = `node_modules/${name}` in lock.packages || `${path}/node_modules/${name}` in lock.packages
    if (isThere || !/^\d/.test(version)) continue
    lock.packages[`node_modules/${name}`] = platformEntry(name, version, entry.dev === true)
    added.push(name)
  }
}

if (added.length > 0) {
  lock.packages = Object.fromEntries(Object.entries(lock.packages).toSorted(([a], [b]) => a.localeCompare(b, 'en')))
  writeFileSync('package-lock.json', `${JSON.stringify(lock, null, 2)}\n`)
}
console.log(`package-lock.json: ${added.length} packages of other platforms added`)

/** `@oxlint/binding-linux-arm-gnueabihf` → linux, arm. A name without a known system is for none: it must not be installed. */
function platformEntry(name: string, version: string, isDev: boolean): LockEntry {
  const words = name.split(/[/-]/).map((word) => OTHER_NAMES.get(word) ?? word)
  const at = words.findIndex((word) => OPERATING_SYSTEMS.includes(word))
  const cpu = words[at + 1]
  const platform = at < 0 || cpu === undefined ? { cpu: ['wasm32'] } : { os: [words[at] ?? ''], cpu: [cpu] }
  return { version, ...(isDev ? { dev: true } : {}), optional: true, ...platform }
}
