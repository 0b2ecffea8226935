// A leave that a presence topic does not take is told again until it does, also after the object has lost its memory.
import { expect, it } from 'vitest'
import { PresenceLeaves } from '../../../../../../src/objects/shard/transports/phoenix/presence/presence-leaves.ts'
import { expectLogs } from '../../../../../support/expect-logs.ts'
import { createTestStorage } from '../../../../../support/sql-storage.ts'

expectLogs(/presence not told that a connection has left: it is told later/)

function makeLeaves() {
  const { sql } = createTestStorage()
  const world = { nowMs: 1_000_000, isDown: false, told: [] as string[], wakes: [] as number[] }
  const work: Promise<unknown>[] = []
  const create = () =>
    new PresenceLeaves(sql, {
      leave: async (topic, id, isDeliberate) => {
        world.told.push(`${id} ${topic} ${isDeliberate ? 'left' : 'lost'}`)
        if (world.isDown) throw new Error('out of reach')
      },
      nowMs: () => world.nowMs,
      wakeBy: (atMs) => world.wakes.push(atMs),
      background: (promise) => work.push(promise),
    })
  const settle = async () => {
    await Promise.all(work.splice(0))
  }
  const rows = () => sql.exec('SELECT connection_id FROM presence_leaves').toArray().length
  return { world, create, settle, rows }
}

it('tells a leave once, and stores nothing, if the topic takes it', async () => {
  const { create, rows, settle, world } = makeLeaves()
  const leaves = create()
  leaves.leave('a', ['role:x', 'user:y'], true)
  await settle()
  expect([world.told, rows(), leaves.sweep(world.nowMs)]).toEqual([['a role:x left', 'a user:y left'], 0, null])
})

it('tells a leave that has failed again, until the topic takes it', async () => {
  const { create, rows, settle, world } = makeLeaves()
  const leaves = create()
  world.isDown = true
  leaves.leave('a', ['role:x'], false)
  await settle()
  expect([world.wakes, rows(), leaves.sweep(world.nowMs)]).toEqual([[1_005_000], 1, 1_005_000])
  world.nowMs = 1_005_000
  leaves.sweep(world.nowMs)
  await settle()
  world.isDown = false
  world.nowMs = 1_010_000
  leaves.sweep(world.nowMs)
  await settle()
  expect([world.told, rows(), leaves.sweep(world.nowMs)]).toEqual([Array(3).fill('a role:x lost'), 0, null])
})

it('does not end the presence of a connection that has come back to the topic meanwhile', async () => {
  const { create, settle, world } = makeLeaves()
  const leaves = create()
  world.isDown = true
  leaves.leave('a', ['role:x'], true)
  await settle()
  leaves.entering('a', ['role:x'], false)
  world.told = []
  world.nowMs += 5_000
  leaves.sweep(world.nowMs)
  expect(world.told).toEqual([])
})

it('ends what sessions were shown in that were in the memory that the object has lost', async () => {
  const { create, rows, settle, world } = makeLeaves()
  const before = create()
  before.entering('stays', ['role:x'], true)
  before.entering('ends', ['role:x'], true)
  before.leave('ends', ['role:x'], true)
  await settle()
  expect(before.sweep(world.nowMs)).toBe(null)
  world.told = []
  const after = create()
  expect(world.wakes).toEqual([world.nowMs])
  after.sweep(world.nowMs)
  await settle()
  expect([world.told, rows()]).toEqual([['stays role:x lost'], 0])
})

it('tells many in steps', async () => {
  const { create, settle, world } = makeLeaves()
  const before = create()
  for (let n = 0; n < 40; n += 1) before.entering(`c${n}`, ['role:x'], true)
  const after = create()
  const steps: number[] = []
  for (let due: number | null = world.nowMs; due !== null; due = after.sweep(due)) {
    await settle()
    steps.push(world.told.length)
  }
  await settle()
  expect([...steps, world.told.length]).toEqual([0, 16, 32, 40])
})
