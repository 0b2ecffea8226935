// wrk, the load client, from Debian's package. A request that fails fails the run: what was measured would be no answer.
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'

export interface Load {
  readonly url: string
  readonly connections: number
  readonly seconds: number
  /** Requests are spread over so many routes (routes.lua). */
  readonly routes: number
}

export interface Measured {
  readonly requestsPerSecond: number
  readonly p50Ms: number
  readonly p99Ms: number
}

const MILLISECONDS: Readonly<Record<string, number>> = { us: 0.001, ms: 1, s: 1_000 }

export async function load({ connections, routes, seconds, url }: Load): Promise<Measured> {
  const { origin, pathname } = new URL(url)
  const args = ['-t1', `-c${connections}`, `-d${seconds}s`, '--latency', '-s', 'scripts/bench/routes.lua', origin]
  const env = { ...process.env, ROUTES: String(routes), PREFIX: pathname.replace(/\/$/, '') }
  const { stdout } = await promisify(execFile)('wrk', args, { env })
  const failure = /Non-2xx.*|Socket errors.*/.exec(stdout)
  if (failure !== null) throw new Error(`${url}: ${failure[0]}`)
  return {
    requestsPerSecond: Number(/Requests\/sec:\s+([\d.]+)/.exec(stdout)?.[1]),
    p50Ms: quantile(stdout, '50%'),
    p99Ms: quantile(stdout, '99%'),
  }
}

function quantile(report: string, name: string): number {
  const [, value, unit = ''] = new RegExp(`^\\s+${name}\\s+([\\d.]+)(us|ms|s)$`, 'm').exec(report) ?? []
  return Number(value) * (MILLISECONDS[unit] ?? Number.NaN)
}
