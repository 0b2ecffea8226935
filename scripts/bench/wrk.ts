// wrk, the load client, from Debian's package. For rates only: its latencies are corrected by guesses. A request that fails
// fails the run: what was measured would be no answer.
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { quick } from './figure.ts'

const CONNECTIONS = 32
const SECONDS = quick ? 1 : 3

export interface Load {
  readonly perSecond: number
  readonly requests: number
}

/** Of any of so many routes, at random (routes.lua). */
export async function load(url: string, routes: number): Promise<Load> {
  const { origin, pathname } = new URL(url)
  const args = ['-t1', `-c${CONNECTIONS}`, `-d${SECONDS}s`, '-s', 'scripts/bench/routes.lua', origin]
  const env = { ...process.env, ROUTES: String(routes), PREFIX: pathname.replace(/\/$/, '') }
  const { stdout } = await promisify(execFile)('wrk', args, { env })
  const failure = /Non-2xx.*|Socket errors.*/.exec(stdout)
  if (failure !== null) throw new Error(`${url}: ${failure[0]}`)
  return {
    perSecond: Number(/Requests\/sec:\s+([\d.]+)/.exec(stdout)?.[1]),
    requests: Number(/(\d+) requests in/.exec(stdout)?.[1]),
  }
}
