import { describe, expect, it } from 'vitest'
import { Incidents, type IncidentFacts } from '../../src/telemetry/incidents.ts'

function makeIncidents() {
  const lines: IncidentFacts[] = []
  const world = { nowMs: 1_000_000 }
  const incidents = new Incidents({ nowMs: () => world.nowMs, write: (line) => void lines.push(line) })
  return { incidents, lines, world }
}

describe('incidents', () => {
  it('have one line, however many requests they fail, and one more each minute with the number of the others', () => {
    const { incidents, lines, world } = makeIncidents()
    for (let n = 0; n < 1_000; n += 1) incidents.failed('no broker answers', { host: 'a' }, { error: `timeout ${n}` })
    world.nowMs += 60_000
    incidents.failed('no broker answers', { host: 'a' }, { error: 'refused' })
    world.nowMs += 60_000
    incidents.failed('no broker answers', { host: 'a' })
    expect(lines).toEqual([
      { message: 'no broker answers', host: 'a', error: 'timeout 0' },
      { message: 'no broker answers', host: 'a', error: 'refused', leftOut: 999 },
      { message: 'no broker answers', host: 'a' },
    ])
  })

  it('are told apart by what they are about', () => {
    const { incidents, lines } = makeIncidents()
    for (const host of ['a', 'b', 'a']) incidents.failed('no broker answers', { host })
    incidents.failed('no registry answers', { host: 'a' })
    expect(lines.map(({ host, message }) => `${String(message)} ${String(host)}`)).toEqual([
      'no broker answers a',
      'no broker answers b',
      'no registry answers a',
    ])
  })

  it('are remembered up to a limit', () => {
    const { incidents, lines } = makeIncidents()
    for (let n = 0; n < 201; n += 1) incidents.failed('x', { n })
    incidents.failed('x', { n: 200 })
    incidents.failed('x', { n: 0 })
    expect(lines.slice(200)).toEqual([
      { message: 'x', n: 200 },
      { message: 'x', n: 0 },
    ])
  })
})
