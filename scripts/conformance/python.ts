// Runs a Python program of this folder in an environment of its own, with the packages of requirements.txt from PyPI.
import { execFileSync, type ExecFileSyncOptions } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'

const folder = import.meta.dirname
/** In .wrangler, which git ignores. */
const VENV = join(folder, '../../.wrangler/conformance')
const MAX_OUTPUT_BYTES = 256 * 1_048_576

/** Returns what the program prints. Throws if it fails. Needs Python 3 with venv. */
export function runPython(program: string): string {
  const requirements = join(folder, 'requirements.txt')
  const options: ExecFileSyncOptions = { stdio: ['ignore', 'ignore', 'inherit'] }
  if (!existsSync(join(VENV, 'bin/pip'))) execFileSync('python3', ['-m', 'venv', VENV], options)
  execFileSync(
    join(VENV, 'bin/pip'),
    ['install', '--quiet', '--disable-pip-version-check', '-r', requirements],
    options,
  )
  return execFileSync(join(VENV, 'bin/python'), [join(folder, program)], {
    encoding: 'utf8',
    maxBuffer: MAX_OUTPUT_BYTES,
    stdio: ['ignore', 'pipe', 'inherit'],
  })
}
