import { describe, expect, it } from 'vitest'
import type { Span } from '../../src/telemetry/otlp-json.ts'
import { Tracer, type Exported } from '../../src/telemetry/tracer.ts'

const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736'
const PARENT = '00f067aa0ba902b7'

function makeTracer(ratio = 1) {
  const sent: string[][] = []
  const scheduled: { atMs: number; act: () => Promise<void> }[] = []
  const dropped: number[] = []
  const world = { nowMs: 1_000_000, random: 0.5, answer: 'taken' as Exported, whileSending: () => {} }
  const tracer = new Tracer({
    ratio,
    nowMs: () => world.nowMs,
    random: () => world.random,
    schedule: (ms, act) => void scheduled.push({ atMs: world.nowMs + ms, act }),
    send: async (spans) => {
      sent.push(spans.map(({ name }) => name))
      world.whileSending()
      return world.answer
    },
    dropped: (spans) => void dropped.push(spans),
  })
  const record = (name: string, flags = '01') =>
    tracer.record({
      trace: tracer.trace(`00-${TRACE}-${PARENT}-${flags}`, null),
      name,
      kind: 'server',
      startMs: 1,
      endMs: 2,
      attributes: {},
      error: null,
    } satisfies Span)
  /** Runs the next scheduled export. */
  const run = async () => {
    const next = scheduled.shift()
    if (next === undefined) throw new Error('nothing is scheduled')
    world.nowMs = next.atMs
    await next.act()
  }
  return { dropped, record, run, scheduled, sent, tracer, world }
}

describe('a tracer', () => {
  it('exports what was recorded, together, five seconds after the first of it', async () => {
    const { record, run, scheduled, sent } = makeTracer()
    record('a')
    record('b')
    expect([sent, scheduled.map(({ atMs }) => atMs)]).toEqual([[], [1_005_000]])
    await run()
    expect([sent, scheduled]).toEqual([[['a', 'b']], []])
  })

  it('exports at once when a batch is full, and at most 512 spans by one request', async () => {
    const { record, run, scheduled, sent, world } = makeTracer()
    for (let n = 0; n < 700; n += 1) record(String(n))
    expect(scheduled.map(({ atMs }) => atMs - world.nowMs)).toEqual([5_000, 0])
    await scheduled.pop()?.act()
    expect(sent.map(({ length }) => length)).toEqual([512, 188])
    await run()
    expect(sent).toHaveLength(2)
  })

  it('keeps the decision of the caller', () => {
    const { record, scheduled } = makeTracer(1)
    record('not sampled', '00')
    expect(scheduled).toEqual([])
  })

  it('samples by its ratio what it starts', () => {
    const { tracer, world } = makeTracer(0.25)
    const sampled = [0.249, 0.25, 0.9].map((random) => {
      world.random = random
      return tracer.trace(undefined, null).isSampled
    })
    expect(sampled).toEqual([true, false, false])
  })

  it('sends again what a collector could not take, and nothing twice that it took or refused', async () => {
    const { record, run, sent, world } = makeTracer()
    world.answer = 'again'
    record('a')
    await run()
    world.answer = 'refused'
    record('b')
    await run()
    world.answer = 'taken'
    record('c')
    await run()
    expect(sent).toEqual([['a'], ['a', 'b'], ['c']])
  })

  it('keeps at most 2,048 spans for a collector that is away, and says how many it dropped', async () => {
    const { dropped, record, run, scheduled, sent, world } = makeTracer()
    world.answer = 'again'
    for (let n = 0; n < 2_100; n += 1) record(String(n))
    await run()
    expect([dropped, sent.map(({ length }) => length)]).toEqual([[52], [512]])
    scheduled.splice(0)
    world.answer = 'taken'
    record('one more')
    await run()
    expect(sent.slice(1).map(({ length }) => length)).toEqual([512, 512, 512, 512])
  })

  it('counts spans that no longer fit because others came while a collector refused to take them', async () => {
    const { dropped, record, run, scheduled, world } = makeTracer()
    world.answer = 'again'
    for (let n = 0; n < 2_048; n += 1) record(String(n))
    world.whileSending = () => {
      for (let n = 0; n < 100; n += 1) record('meanwhile')
    }
    await run()
    scheduled.splice(0)
    world.whileSending = () => {}
    world.nowMs += 60_000
    record('one more')
    await run()
    expect(dropped).toEqual([101])
  })

  it('schedules another export when the request that carried one has ended too early', () => {
    const { record, scheduled, world } = makeTracer()
    record('a')
    world.nowMs += 24_000
    record('b')
    expect(scheduled).toHaveLength(1)
    world.nowMs += 2_000
    record('c')
    expect(scheduled).toHaveLength(2)
  })
})
