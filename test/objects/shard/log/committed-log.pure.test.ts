// When what is durable is delivered: at once while the shard is idle, together while it is busy, never before it is durable.
import { describe, expect, it } from 'vitest'
import { encodeBatches, type AppendBatch } from '../../../../src/core/delivery/batch-codec.ts'
import { CommittedLog } from '../../../../src/objects/shard/log/committed-log.ts'
import { LogStore } from '../../../../src/objects/shard/log/log-store.ts'
import { createTestStorage } from '../../../support/sql-storage.ts'

function batch(offset: number): AppendBatch {
  const utf8 = new TextEncoder().encode('{}')
  const packs = encodeBatches([{ offset, type: 'greeting', utf8, fields: {}, recipients: null }])
  return { topic: 'rig', partition: 0, generation: 0, packs }
}

/** A shard whose events go to so many connections. `gate.isShut`: the runtime holds back what is delivered. */
function openLog(connections: number, gate = { isShut: false }) {
  const storage = createTestStorage()
  const deliveries: (readonly number[])[] = []
  const timers: { readonly atMs: number; act(): void }[] = []
  const clock = { nowMs: 1_000 }
  const log = new CommittedLog(new LogStore(storage, '0.life', { retentionMs: 3_600_000, retentionBytes: 1_000_000 }), {
    sync: () => storage.sync(),
    isGated: () => gate.isShut,
    now: () => clock.nowMs,
    deliver: (segments) => {
      deliveries.push(segments.map(({ lastSeq }) => lastSeq))
      return connections
    },
    schedule: (ms, act) => timers.push({ atMs: clock.nowMs + ms, act }),
    pause: async () => undefined,
  })
  const advance = (ms: number) => {
    clock.nowMs += ms
    for (const timer of timers.splice(0)) {
      if (timer.atMs <= clock.nowMs) timer.act()
      else timers.push(timer)
    }
  }
  return { log, storage, deliveries, timers, advance }
}

describe('delivery', () => {
  it('is at once while few connections get what comes, however often it comes', async () => {
    const { log, deliveries, timers } = openLog(5)
    for (let offset = 0; offset < 3; offset += 1) await log.append([batch(offset)])
    expect([deliveries, timers]).toEqual([[[1], [2], [3]], []])
  })

  it('to many connections is at once after a pause, and otherwise takes what came within milliseconds', async () => {
    const { log, deliveries, advance } = openLog(1_000)
    await log.append([batch(0)])
    await log.append([batch(1)])
    await log.append([batch(2)])
    advance(0)
    expect([deliveries, log.committedSeq]).toEqual([[[1]], 1])
    advance(4)
    expect(deliveries).toEqual([[1]])
    advance(1)
    expect([deliveries, log.committedSeq]).toEqual([[[1], [2, 3]], 3])
    advance(0)
    advance(5)
    await log.append([batch(3)])
    expect(deliveries).toEqual([[1], [2, 3], [4]])
  })

  it('pauses for as long as the runtime has written, from when that is done', async () => {
    const { log, deliveries, advance } = openLog(200)
    await log.append([batch(0)])
    await log.append([batch(1)])
    advance(7)
    await log.append([batch(2)])
    advance(6)
    expect(deliveries).toEqual([[1]])
    advance(1)
    expect(deliveries).toEqual([[1], [2, 3]])
  })

  it('pauses ten milliseconds at most after the writes, however long they took and for however many connections', async () => {
    const { log, deliveries, advance } = openLog(100_000)
    await log.append([batch(0)])
    await log.append([batch(1)])
    advance(500)
    expect(deliveries).toEqual([[1]])
    advance(10)
    expect(deliveries).toEqual([[1], [2]])
  })

  it('does not wait when a caller settles: what a connection is greeted with comes at once, in order', async () => {
    const { log, deliveries, advance } = openLog(1_000)
    await log.append([batch(0)])
    await log.append([batch(1)])
    log.appendOwn('c', { type: 'rig.connection.create', json: '{}' }, 1_000)
    await log.settle()
    expect(deliveries).toEqual([[1], [2, 3]])
    advance(0)
    advance(10)
    expect(deliveries).toEqual([[1], [2, 3]])
  })

  it('is never of what is not durable, and appends that come during a commit share the next one', async () => {
    const { log, storage, deliveries } = openLog(1)
    const release = storage.holdSync()
    const appended = [0, 1, 2].map(async (offset) => log.append([batch(offset)]))
    expect([deliveries, log.committedSeq]).toEqual([[], 0])
    release()
    await Promise.all(appended)
    expect(deliveries).toEqual([[1], [2, 3]])
  })

  it('does not wait for storage while the runtime holds back all that leaves, and waits again once it does not', async () => {
    const gate = { isShut: true }
    const { log, storage, deliveries } = openLog(1, gate)
    const release = storage.holdSync()
    await log.append([batch(0)])
    expect([deliveries, log.committedSeq]).toEqual([[[1]], 1])
    gate.isShut = false
    const appended = log.append([batch(1)])
    expect([deliveries, log.committedSeq]).toEqual([[[1]], 1])
    release()
    await appended
    expect(deliveries).toEqual([[1], [2]])
  })

  it('keeps the order when the last open stream ends during a commit: what comes then passes none that wait', async () => {
    const gate = { isShut: false }
    const { log, storage, deliveries } = openLog(1, gate)
    const release = storage.holdSync()
    const append = async (offset: number) => log.append([batch(offset)])
    const appended = [append(0), append(1)]
    gate.isShut = true
    appended.push(append(2))
    release()
    await Promise.all(appended)
    expect(deliveries).toEqual([[1], [2, 3]])
    expect(log.read(0, 1_000).map(({ offset }) => offset)).toEqual([0, 1, 2])
  })
})
