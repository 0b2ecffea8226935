// Changes of the number of shards in a schedule: asks for them, keeps the log busy meanwhile, and waits until the last one has
// ended. Called by schedule.ts.
import { valuesOf } from '../../src/core/delivery/scatter-gather.ts'
import { allShardsOf } from '../../src/core/shard-map/shard-map.ts'
import { isSteady } from '../../src/core/shard-map/change.ts'
import { groupNumber } from '../../src/core/shard-map/shard-number.ts'
import { directoryStub } from '../../src/rpc/directory.ts'
import { broadcastCommand } from '../../src/rpc/shard.ts'
import type { Random } from '../random.ts'
import type { Cluster } from './cluster.ts'
import type { Simulation } from './simulation.ts'

/** `withinMs`: all are asked for until then. */
interface Changes {
  readonly maxShards: number
  readonly changes: number
  readonly withinMs: number
}

/** Less than a fetch waits for records. */
const BUSY_EVERY_MS = 3_000
const DEPLOYED_WITHIN_MS = 6_000
/** How often it is looked whether a change has ended. */
const LOOK_AGAIN_MS = 2_000

/** Asks for other numbers of shards, one after the other. */
export function changeShards(
  { clock, env }: Simulation,
  random: Random,
  { changes, maxShards, withinMs }: Changes,
): void {
  for (let left = 1 + random.below(changes); left > 0; left -= 1) {
    const shards = 1 + random.below(maxShards)
    const want = () => void directoryStub(env).wantShards(shards).catch(() => undefined) // prettier-ignore
    clock.schedule(random.below(withinMs), want)
  }
}

/**
 * Deploys SHARD_GROUPS: at the start, which is a new Rigel, and later up to twice with other groups. Each deploy ends all
 * connections.
 */
export function changeGroups(
  simulation: Simulation,
  cluster: Cluster,
  random: Random,
  variables: Readonly<Record<string, string>>,
): void {
  const deploy = () => {
    const names = random.pick([[], ['eu'], ['us'], ['eu', 'us']])
    const groups = [...names.map((name) => ({ name, claim: { '/region': [name] } })), { name: 'rest' }]
    simulation.groups = names.map(groupNumber)
    cluster.deploy({ ...variables, SHARD_GROUPS: JSON.stringify(groups) })
  }
  deploy()
  for (let left = random.below(3); left > 0; left -= 1)
    simulation.clock.schedule(random.below(DEPLOYED_WITHIN_MS), deploy)
}

/** Events for a user who is not there, to the end of the schedule: a change must end although the log is never quiet. */
export function keepBusy({ clock, remote }: Simulation, partitions: number): void {
  const event = { specversion: '1.0', id: 'busy', source: '/sim', type: 'busy', data: { to: 'nobody' } }
  if (remote === null) return
  clock.repeat(BUSY_EVERY_MS, () => {
    for (let partition = 0; partition < partitions; partition += 1)
      remote.append(`busy ${partition}`, JSON.stringify(event))
  })
}

/** Waits until no change is under way and all shards know it. Returns what is in the way; the empty string: nothing. */
export async function unsettledMap({ clock, env }: Simulation, withinMs: number): Promise<string> {
  let problem = ''
  for (const untilMs = clock.nowMs + withinMs; clock.nowMs < untilMs;) {
    let found: string | undefined
    void mapProblem(env)
      .catch(String)
      .then((one) => (found = one))
    await clock.run(() => found !== undefined, untilMs)
    problem = found ?? 'no answer'
    if (problem === '') break
    await clock.run(() => false, clock.nowMs + LOOK_AGAIN_MS)
  }
  return problem
}

async function mapProblem(env: Env): Promise<string> {
  const map = await directoryStub(env).shardMap()
  if (!isSteady(map)) return JSON.stringify(map)
  const shards = allShardsOf(map)
  // No shard takes a map of version 0: it only answers.
  const asked = { ...map, version: 0 }
  const answers = valuesOf(await broadcastCommand(env, shards, { kind: 'learn_shard_map', map: asked }))
  // Before the first change shards may not know a map.
  const oldest = map.version === 1 ? 0 : map.version
  const versions = answers.map((answer) => answer?.map.version ?? 0)
  const others = versions.filter((version) => version < oldest || version > map.version)
  return others.length === 0 ? '' : `the Directory has ${map.version}, a shard has ${others[0]}`
}
