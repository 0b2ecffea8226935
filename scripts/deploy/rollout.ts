// A gradual deployment as steps: what is asked of wrangler, and when it is taken back. Pure apart from `deps`. Called by
// scripts/deploy-gradually.ts.

export interface RolloutDeps {
  /** Runs wrangler and returns what it printed. Throws if it fails. */
  wrangler(args: readonly string[]): Promise<string>
  /** Returns what is wrong with the running Rigel, or undefined. */
  healthProblem(): Promise<string | undefined>
  sleep(ms: number): Promise<void>
  say(line: string): void
}

export interface Rollout {
  /** Arguments that name the configuration and the environment. */
  readonly target: readonly string[]
  /** Percentages of the traffic, ascending; the last is 100. */
  readonly steps: readonly number[]
  readonly pauseMs: number
}

/** Each step moves a share of the objects, and so of the connections: a second deploy would move them twice. */
const HEALTH_EVERY_MS = 5_000
const VERSION_ID = /[\da-f]{8}-[\da-f]{4}-[\da-f]{4}-[\da-f]{4}-[\da-f]{12}/

/** Deploys a version step by step. Returns undefined, or why it was taken back or could not be deployed. */
export async function rollOut({ pauseMs, steps, target }: Rollout, deps: RolloutDeps): Promise<string | undefined> {
  const before = deployedVersion(await deps.wrangler(['deployments', 'status', '--json', ...target]))
  if (before === undefined)
    return 'there is no version that takes all traffic: deploy once with `npm run deploy`, or finish the last rollout'
  const uploaded = VERSION_ID.exec(await deps.wrangler(['versions', 'upload', ...target]))?.[0]
  if (uploaded === undefined) return 'wrangler named no version'
  deps.say(`${before} is deployed, ${uploaded} is uploaded`)
  for (const percent of steps) {
    const shares = percent === 100 ? [`${uploaded}@100`] : [`${uploaded}@${percent}`, `${before}@${100 - percent}`]
    await deps.wrangler(['versions', 'deploy', ...shares, '--yes', ...target])
    deps.say(`${percent} % of the traffic`)
    const problem = await watch(percent === 100 ? HEALTH_EVERY_MS : pauseMs, deps)
    if (problem === undefined) continue
    await deps.wrangler(['versions', 'deploy', `${before}@100`, '--yes', ...target])
    return `at ${percent} %: ${problem}. ${before} has all traffic again`
  }
  return undefined
}

async function watch(durationMs: number, deps: RolloutDeps): Promise<string | undefined> {
  for (let waitedMs = 0; waitedMs < durationMs; waitedMs += HEALTH_EVERY_MS) {
    await deps.sleep(HEALTH_EVERY_MS)
    const problem = await deps.healthProblem()
    if (problem !== undefined) return problem
  }
  return undefined
}

/** `wrangler deployments status --json` → the version that takes all traffic. */
function deployedVersion(text: string): string | undefined {
  const versions = [...text.matchAll(/"version_id":\s*"([^"]+)"/g)].map(([, id]) => id)
  return versions.length === 1 ? versions[0] : undefined
}

/** `5,25,50,100` → numbers, or undefined. */
export function parseSteps(text: string): readonly number[] | undefined {
  const steps = text.split(',').map(Number)
  const isAscending = steps.every((step, at) => Number.isInteger(step) && step > (steps[at - 1] ?? 0))
  return isAscending && steps.at(-1) === 100 ? steps : undefined
}
