import { expect, it, vi } from 'vitest'
import { toPresences } from '../../../../../../src/rpc/presence.ts'
import { PresenceCopies } from '../../../../../../src/objects/shard/transports/phoenix/presence/presence-copies.ts'
import type { PresenceCopy } from '../../../../../../src/objects/shard/transports/phoenix/presence/presence-copy.ts'

const present = (...refs: readonly string[]) =>
  toPresences(refs.map((ref) => ({ name: ref.split(':')[0] ?? '', meta: { phx_ref: ref } })))
const joins = (...refs: readonly string[]) => ({ joins: present(...refs), leaves: present() })
const namesOf = (copy: PresenceCopy) => [...copy.pages()].flatMap((page) => Object.keys(JSON.parse(page) as object))

function makeCopies(maxBytes = Infinity) {
  const world = { nowMs: 1_000_000, watched: [] as string[], unwatched: [] as string[], askedAtMs: [] as number[] }
  const copies = new PresenceCopies({
    watch: async (topic, askedAtMs) => {
      world.watched.push(topic)
      world.askedAtMs.push(askedAtMs)
      return present(`${topic}-member:1`)
    },
    unwatch: (topic, askedAtMs) => {
      world.unwatched.push(topic)
      world.askedAtMs.push(askedAtMs)
    },
    nowMs: () => world.nowMs,
    maxBytes,
  })
  return { world, copies }
}

it('a client that joins and leaves again and again has the topic read once', async () => {
  const { copies, world } = makeCopies()
  for (let n = 0; n < 100; n += 1) {
    await copies.of('crowd')
    copies.keep('crowd')
    world.nowMs += 500
  }
  expect(world.watched).toEqual(['crowd'])
})

it('a copy that is kept follows the diffs of its topic', async () => {
  const { copies } = makeCopies()
  await copies.of('crowd')
  copies.keep('crowd')
  await copies.apply('crowd', joins('bob:1'), 7)
  expect(namesOf(await copies.of('crowd'))).toEqual(['crowd-member', 'bob'])
})

it('a copy that has missed a diff is fetched again', async () => {
  const { copies, world } = makeCopies()
  await copies.of('crowd')
  await copies.apply('crowd', joins('bob:1'), 7)
  await copies.apply('crowd', joins('carol:1'), 9)
  expect(copies.has('crowd')).toBe(false)
  await copies.of('crowd')
  expect(world.watched).toEqual(['crowd', 'crowd'])
})

it('a diff that comes while the copy is being fetched is in it', async () => {
  const { copies } = makeCopies()
  const fetching = copies.of('crowd')
  await copies.apply('crowd', joins('bob:1'), 7)
  expect(namesOf(await fetching)).toEqual(['crowd-member', 'bob'])
})

it('a copy without a member is dropped after a minute, unless one comes back', async () => {
  const { copies, world } = makeCopies()
  for (const topic of ['left', 'back']) await copies.of(topic)
  const dueMs = copies.keep('left')
  copies.keep('back')
  await copies.of('back')
  expect(copies.sweep(world.nowMs + 59_999)).toBe(dueMs)
  expect(copies.has('left')).toBe(true)
  expect(copies.sweep(world.nowMs + 60_000)).toBe(null)
  expect(['left', 'back'].map((topic) => copies.has(topic))).toEqual([false, true])
})

it('keeps four copies without a member, the last ones', async () => {
  const { copies } = makeCopies()
  const topics = ['a', 'b', 'c', 'd', 'e']
  for (const topic of topics) {
    await copies.of(topic)
    copies.keep(topic)
  }
  expect(topics.filter((topic) => copies.has(topic))).toEqual(['b', 'c', 'd', 'e'])
})

it('a topic whose copy is dropped without a member is told so; one that is watched again is not taken for it', async () => {
  const { copies, world } = makeCopies()
  await copies.of('crowd')
  const dueMs = copies.keep('crowd') ?? 0
  copies.sweep(dueMs)
  expect(world.unwatched).toEqual(['crowd'])
  await copies.of('crowd')
  const [watched = 0, unwatched = 0, again = 0] = world.askedAtMs
  expect([unwatched >= watched, again > unwatched]).toEqual([true, true])
  await copies.apply('crowd', joins('bob:1'), 7)
  await copies.apply('crowd', joins('bob:2'), 9)
  expect(world.unwatched).toEqual(['crowd'])
})

it('all copies together have a limit: those that were not used for the longest time are read again by the next member', async () => {
  const { copies, world } = makeCopies(5_000)
  for (const topic of ['a', 'b', 'c']) await copies.of(topic)
  await copies.of('a')
  await copies.of('d')
  expect(['a', 'b', 'c', 'd'].map((topic) => copies.has(topic))).toEqual([true, false, true, true])
  expect(namesOf(await copies.of('b'))).toEqual(['b-member'])
  expect(world.watched).toEqual(['a', 'b', 'c', 'd', 'b'])
})

it('diffs count: a topic that grows pushes out others, and is kept itself', async () => {
  const { copies } = makeCopies(3_000)
  for (const topic of ['quiet', 'grows']) await copies.of(topic)
  for (let n = 0; n < 20; n += 1) await copies.apply('grows', joins(`member-${n}:1`), n)
  expect(['quiet', 'grows'].map((topic) => copies.has(topic))).toEqual([false, true])
  for (let n = 0; n < 20; n += 1)
    await copies.apply('grows', { joins: present(), leaves: present(`member-${n}:1`) }, 20 + n)
  await copies.of('quiet')
  expect(['quiet', 'grows'].map((topic) => copies.has(topic))).toEqual([true, true])
})

it('who is being sent a copy that is dropped is told so, and is not taken for having all', async () => {
  const { copies } = makeCopies(3_000)
  const pages = (await copies.of('a')).pages()
  expect(pages.next().value).toContain('a-member')
  for (const topic of ['b', 'c', 'd']) await copies.of(topic)
  expect(pages.next()).toEqual({ done: true, value: { isDropped: true } })
})

it('topics are read one after the other, and one that does not answer holds up the next no longer than its timeout', async () => {
  vi.useFakeTimers()
  const world = { watched: [] as string[] }
  const copies = new PresenceCopies({
    watch: (topic) => {
      world.watched.push(topic)
      return topic === 'hangs' ? new Promise(() => undefined) : Promise.resolve(present(`${topic}-member:1`))
    },
    unwatch: () => undefined,
    nowMs: () => Date.now(),
  })
  const hanging = copies.of('hangs').catch((error: unknown) => String(error))
  const next = copies.of('next')
  await vi.advanceTimersByTimeAsync(1_000)
  expect(world.watched).toEqual(['hangs'])
  await vi.advanceTimersByTimeAsync(5_000)
  expect([await hanging, namesOf(await next), copies.has('hangs')]).toEqual([
    'Error: no answer within 5000 ms',
    ['next-member'],
    false,
  ])
  vi.useRealTimers()
})
