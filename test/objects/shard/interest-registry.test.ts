import { env } from 'cloudflare:workers'
import { runInDurableObject } from 'cloudflare:test'
import { describe, expect, it } from 'vitest'
import type { InterestDeclaration } from '../../../src/core/interest/ledger.ts'
import { bitsOf, hasBits } from '../../../src/core/interest/bitmap.ts'
import { watchTopic } from '../../../src/core/subscriptions/watch-topic.ts'
import { InterestRegistry } from '../../../src/objects/shard/interest-registry.ts'
import { shardStub } from '../../../src/rpc/shard.ts'

const subscribe = (...types: readonly string[]) => types.map((eventType) => ({ eventType, oneOf: [] }))

let shards = 7_000

type Declared = Omit<InterestDeclaration, 'shard'>

/** A registry over the storage of a shard of its own, and what it declared. */
function withRegistry<T>(limit: number, work: (world: ReturnType<typeof makeWorld>) => Promise<T>): Promise<T> {
  shards += 1
  return runInDurableObject(shardStub(env, shards), (_shard, { storage }) => work(makeWorld(storage.sql, limit)))
}

function makeWorld(sql: SqlStorage, limit: number) {
  const declared: Declared[] = []
  const wanted = new Set<string>()
  const background: Promise<void>[] = []
  const clock = { nowMs: 0 }
  let head = 0
  let answer = () => Promise.resolve()
  const open = () =>
    new InterestRegistry(sql, {
      declare: async (declaration) => {
        declared.push(declaration)
        await answer()
        return { epoch: 'one', isAccepted: true }
      },
      limit,
      isWanted: (type) => wanted.has(type),
      advanceLog: () => (head += 1),
      nowMs: () => clock.nowMs,
      inBackground: (work) => background.push(work),
    })
  const registry = open()
  const has = (type: string) => hasBits(declared.at(-1)?.bitmap ?? new Uint8Array(), bitsOf(type))
  const failNext = () => (answer = () => Promise.reject(new Error('a follower could not be told')))
  const succeed = () => (answer = () => Promise.resolve())
  return { registry, open, clock, declared, wanted, background, has, failNext, succeed }
}

describe('the interest of a shard', () => {
  it('declares a type once, and types that share all their bits with it not at all', () =>
    withRegistry(1_000, async ({ registry, declared, has }) => {
      await registry.register(subscribe('a', 'b.*'))
      await registry.register(subscribe('a'))
      expect([declared.length, has('a'), has('b.*'), has('c')]).toEqual([1, true, true, false])
      expect(['a', 'b.c', 'b', 'c'].map((type) => registry.wants(type))).toEqual([true, true, false, false])
    }))

  it('makes one call at a time, whatever number of subscriptions waits', () =>
    withRegistry(10_000, async ({ registry, declared }) => {
      await Promise.all(Array.from({ length: 500 }, (_, n) => registry.register(subscribe(`t${n}`))))
      expect(declared.length).toBe(1)
    }))

  it('is not confirmed, nor stored by, when a follower could not be told', () =>
    withRegistry(100, async ({ registry, failNext, succeed }) => {
      failNext()
      await expect(registry.register(subscribe('a'))).rejects.toThrow('a follower could not be told')
      expect([registry.wants('a'), registry.coversSince(subscribe('a'), 99)]).toEqual([false, false])
      succeed()
      expect(await registry.register(subscribe('a'))).toEqual({ ok: true, value: null })
      expect(registry.coversSince(subscribe('a'), 1)).toBe(true)
    }))

  it('is withdrawn when nobody has wanted it for long, and its bits only if no other type has them', () =>
    withRegistry(100, async ({ registry, clock, declared, has }) => {
      await registry.register(subscribe('a', 'b', watchTopic('alice')))
      expect(declared.at(-1)).toMatchObject({ watch: ['alice'], isComplete: true })
      clock.nowMs = 9_999
      expect(await registry.withdrawUnused(() => false, clock.nowMs, 100)).toBe(false)
      clock.nowMs = 10_000
      expect(await registry.withdrawUnused((type) => type === 'b', clock.nowMs, 100)).toBe(true)
      clock.nowMs += 100
      expect(await registry.withdrawUnused((type) => type === 'b', clock.nowMs, 100)).toBe(false)
      expect(declared.at(-1)).toMatchObject({ watch: [], unwatch: ['alice'], isComplete: false })
      expect([has('a'), has('b'), registry.wants('a'), registry.wants('b')]).toEqual([false, true, false, true])
    }))

  it('has a limit: types that nobody wants any more make room, and then new ones are refused', () =>
    withRegistry(10, async ({ registry, clock, wanted, background, has }) => {
      const types = Array.from({ length: 10 }, (_, n) => `t${n}`)
      await registry.register(subscribe(...types))
      clock.nowMs = 10_000
      for (const type of types.slice(3)) wanted.add(type)
      expect((await registry.register(subscribe('new'))).ok).toBe(true)
      await Promise.all(background)
      expect(types.map((type) => registry.wants(type))).toEqual([...Array(2).fill(false), ...Array(8).fill(true)])
      expect([has('t0'), has('t9'), has('new')]).toEqual([false, true, true])
      wanted.add('t2').add('new')
      expect(await registry.register(subscribe('x', 'y'))).toEqual({
        ok: false,
        reason: { kind: 'too_many_event_types', limit: 10 },
      })
    }))

  it('counts a long type as several, so that what is known of types has a size', () =>
    withRegistry(10, async ({ registry, open, wanted }) => {
      const ask = async (target: typeof registry, ...types: readonly string[]) =>
        (await target.register(subscribe(...types))).ok
      const long = 'x'.repeat(750)
      expect(await ask(registry, 'x'.repeat(1_050))).toBe(false)
      expect(await ask(registry, long, 'a')).toBe(true)
      expect([await ask(registry, 'α'.repeat(60)), await ask(registry, 'b')]).toEqual([false, true])
      for (const type of [long, 'a', 'b']) wanted.add(type)
      const again = open()
      expect([await ask(again, 'c'), await ask(again, 'a')]).toEqual([false, true])
      wanted.delete(long)
      expect([await ask(again, 'c'), again.wants(long), await ask(again, 'd', 'e', 'f', 'g')]).toEqual([
        true,
        false,
        true,
      ])
    }))

  it('gives way ten seconds after a client asked for types and did not connect, also without a sweep', () =>
    withRegistry(10, async ({ registry, clock }) => {
      const ask = async (name: string) =>
        (await registry.register(subscribe(...Array.from({ length: 10 }, (_, n) => `${name}${n}`)))).ok
      expect([await ask('made.up.'), await ask('others.')]).toEqual([true, false])
      clock.nowMs = 10_000
      expect(await ask('others.')).toBe(true)
    }))

  it('is declared whole to a Directory with another epoch', () =>
    withRegistry(100, async ({ registry, declared, has }) => {
      await registry.register(subscribe('a', watchTopic('alice')))
      await registry.declareAnew('one')
      expect(declared.length).toBe(1)
      await registry.declareAnew('two')
      expect([declared.length, has('a')]).toEqual([2, true])
    }))
})
