// Groups of shards through the Worker, with real shards: claims and continents lead to a group, a shard that is not told that its
// group is open takes nobody, and a Worker with an old map chooses again.
import { env } from 'cloudflare:workers'
import { createExecutionContext } from 'cloudflare:test'
import { beforeAll, describe, expect, it } from 'vitest'
import { shardOf } from '../../../src/core/delivery/shard-hash.ts'
import { initialMap, type ShardMap } from '../../../src/core/shard-map/shard-map.ts'
import { groupNumber, groupOf, shardAt } from '../../../src/core/shard-map/shard-number.ts'
import { handle } from '../../../src/http/app.ts'
import { broadcastCommand, readError, shardStub, stampConnect } from '../../../src/rpc/shard.ts'
import { asUser, connectRequest, SseClient } from '../../support/shard-clients.ts'
import { tokenOf } from '../../support/make-tokens.ts'

const SHARDS = 3
const GROUPS = [
  { name: 'eu', location: 'weur', claim: { '/region': ['eu'] }, continents: ['EU'] },
  { name: 'us', continents: ['NA', 'SA'] },
  { name: 'rest' },
]
const [eu, us] = [groupNumber('eu'), groupNumber('us')]
/** An isolate for each test: it keeps what it knows of the map by its environment. */
const newEnv = () => ({ ...env, SHARD_GROUPS: JSON.stringify(GROUPS) })

/** `region`: a claim. Without it there is no token. */
async function connect(worker: Env, continent: string | undefined, region?: string, position?: string) {
  const query = new URLSearchParams(position === undefined ? {} : { last_event_id: position })
  if (region !== undefined) query.set('jwt', await tokenOf('alice', { region }))
  const request = new Request(`https://rigel.example/_rig/v1/connection/sse?${query.toString()}`, {
    ...(continent !== undefined && { cf: { continent } }),
  }) as Request<unknown, IncomingRequestCfProperties>
  const response = await handle(request, worker, createExecutionContext())
  expect(response.status).toBe(200)
  const client = new SseClient(response)
  const [created] = await client.until(1, 'rig.connection.create')
  await client.close()
  const data = (created?.data['data'] ?? {}) as Record<string, unknown>
  const { connection_token, last_event_id, recovered } = data
  return { group: groupOf(Number.parseInt(String(connection_token), 10)), position: String(last_event_id), recovered }
}

describe('a group that is open', () => {
  beforeAll(async () => {
    const map = initialMap(SHARDS, 50, [eu, us])
    const shards = [eu, us].flatMap((group) => Array.from({ length: SHARDS }, (_, place) => shardAt(group, place)))
    await broadcastCommand(env, shards, { kind: 'learn_shard_map', map })
  })

  it('takes those whom a claim names, or else their continent', async () => {
    const worker = newEnv()
    const groups = [
      await connect(worker, 'NA', 'eu'),
      await connect(worker, 'SA', 'elsewhere'),
      await connect(worker, 'EU'),
      await connect(worker, 'AS'),
      await connect(worker, undefined),
    ]
    expect(groups.map(({ group }) => group)).toEqual([eu, us, eu, 0, 0])
  })

  it('keeps a user who travels, and a client without a token, but not one with a forged position', async () => {
    const worker = newEnv()
    const [user, nobody] = [await connect(worker, 'NA', 'eu'), await connect(worker, 'EU')]
    expect(await connect(worker, 'NA', 'us', user.position)).toMatchObject({ group: eu, recovered: true })
    expect(await connect(worker, 'NA', undefined, nobody.position)).toMatchObject({ group: eu, recovered: true })
    const forged = user.position.replace(/\.\w+-/, '.0123456789ab-')
    expect(await connect(worker, 'NA', 'us', forged)).toMatchObject({ group: us, recovered: false })
  })
})

describe('a shard', () => {
  const place = shardOf('bob', SHARDS)
  const wanted = (shardMap?: ShardMap) => connectRequest({ principal: asUser('bob'), ...(shardMap && { shardMap }) })
  const answerOf = async (shard: number, shardMap?: ShardMap) => {
    const response = await shardStub(env, shard).fetch(...stampConnect(wanted(shardMap)))
    await response.body?.cancel()
    return readError(response)
  }

  it('of a group that is not open takes nobody, whatever a Worker guesses, until it has a map with it', async () => {
    const shard = shardAt(groupNumber('new'), place)
    expect(await answerOf(shard)).toMatchObject({ kind: 'moved', map: { version: 1 } })
    const adding = { ...initialMap(SHARDS, 60, [groupNumber('new')]), change: null }
    const during = (phase: 'writing_both' | 'moving', version: number): ShardMap => ({
      ...adding,
      version,
      change: { from: SHARDS, phase, addedGroups: [groupNumber('new')], removedGroups: [] },
    })
    expect(await answerOf(shard, during('writing_both', 60))).toMatchObject({ kind: 'moved', map: { version: 60 } })
    expect(await answerOf(shard, during('moving', 61))).toBeUndefined()
  })

  it('with a newer map tells a Worker of other groups, once', async () => {
    const shard = shardAt(groupNumber('open'), place)
    const map = initialMap(SHARDS, 70, [groupNumber('open')])
    expect(await answerOf(shard, map)).toBeUndefined()
    expect(await answerOf(shard, initialMap(SHARDS, 69, [groupNumber('open'), eu]))).toMatchObject({
      kind: 'moved',
      map,
    })
    expect(await answerOf(shard, initialMap(SHARDS, 69, [groupNumber('open')]))).toBeUndefined()
    expect(await answerOf(shard)).toBeUndefined()
  })

  it('of a group that is removed sends its users elsewhere', async () => {
    const shard = shardAt(groupNumber('old'), place)
    expect(await answerOf(shard, initialMap(SHARDS, 80, [groupNumber('old')]))).toBeUndefined()
    const change = { from: SHARDS, phase: 'moving', addedGroups: [], removedGroups: [groupNumber('old')] } as const
    expect(await answerOf(shard, { ...initialMap(SHARDS, 81), change })).toMatchObject({ kind: 'moved' })
  })
})
