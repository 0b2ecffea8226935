// Reads the code of a page in the documentation that is marked `run=NAME`, and runs what is for a shell.
import { spawn, type ChildProcess } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { snippetOf } from '../../scripts/fences.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))

/** `id` is `docs/page.md#NAME`; scripts/check-docs.ts finds it by that in the tests. */
export function readSnippet(id: string): string {
  return snippetOf(id, readFileSync(`${root}/${id.split('#')[0] ?? ''}`, 'utf8'))
}

export interface ShellOptions {
  /** Of the Rigel that the snippet is for: `localhost:8787` becomes its address, `$RIGEL` is its origin. */
  readonly origin: string
  readonly env?: Readonly<Record<string, string>>
  readonly cwd?: string
}

export interface Shell {
  readonly output: string
  /** The exit code; null while it runs. */
  readonly code: number | null
  readonly ended: Promise<unknown>
  readonly kill: () => void
}

/** What would need an account is only checked to be there. What asks nothing outside is run, in the folder of the test. */
const PRELUDE = `
set -e
curl() { command curl -sS "$@"; }
npx() { [ "$1" = wrangler ]; }
npm() {
  [ "$1" = run ] || { [ "$1" = start ]; return; }
  local script=$2; shift $(($# < 3 ? $# : 3))
  case $script in
    import) node "$ROOT/scripts/import-openapi.ts" "$@" ;;
    explain) RIGEL_URL=$RIGEL node "$ROOT/scripts/explain.ts" "$@" ;;
    migrate) node "$ROOT/scripts/migrate.ts" "$@" ;;
    *) grep -q "^    .$script.:" "$ROOT/package.json" ;;
  esac
}
`

/** Starts the snippet in bash, as a group of processes of its own. */
export function startShell(id: string, { cwd = root, env = {}, origin }: ShellOptions): Shell {
  const code = readSnippet(id)
    .replaceAll('localhost:8787', new URL(origin).host)
    .replaceAll(/https:\/\/rigel(-staging)?\.<account>\.workers\.dev/g, origin)
  const child: ChildProcess = spawn('bash', ['-c', PRELUDE + code], {
    cwd,
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, INTERNAL_TOKEN: 'a-development-token', RIGEL: origin, ROOT: root, ...env },
  })
  let output = ''
  child.stdout?.on('data', (chunk) => (output += String(chunk)))
  child.stderr?.on('data', (chunk) => (output += String(chunk)))
  return {
    get output() {
      return output
    },
    get code() {
      return child.exitCode
    },
    ended: new Promise((resolve) => child.once('close', resolve)),
    kill: () => {
      if (child.pid !== undefined && child.exitCode === null) process.kill(-child.pid, 'SIGKILL')
    },
  }
}

/** Runs the snippet to its end. Returns what it printed; throws if it fails. */
export async function runShell(id: string, options: ShellOptions): Promise<string> {
  const shell = startShell(id, options)
  await shell.ended
  if (shell.code !== 0) throw new Error(`${id} exited with ${shell.code}: ${shell.output}`)
  return shell.output
}
