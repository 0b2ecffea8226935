// A disk that is full, read-only, or holds a broken file: /_rig/api/health is 503 with the reason, nothing is confirmed that is not
// stored, and everything that was confirmed is there afterwards. Needs root, for a file system of a few megabytes.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { globSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { Rigel, until } from './rigel.ts'

const DISK_MIB = 32
const PARTITIONS = [0, 1, 2, 3]
const folder = mkdtempSync(join(tmpdir(), 'rigel-disk-'))
const fill = join(folder, 'fill')
const confirmed: string[] = []
let rigel: Rigel

const skip = process.getuid?.() === 0 ? false : 'needs root, to mount a small file system'

void test('a disk that fails', { skip }, async (t) => {
  t.before(async () => {
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${DISK_MIB}m`, 'tmpfs', folder])
    rigel = await Rigel.start({ KAFKA_PARTITIONS: String(PARTITIONS.length) }, undefined, 'npm', undefined, folder)
  })

  t.after(async () => {
    await rigel?.kill()
    await whenIdle('umount', [folder])
    rmSync(folder, { recursive: true })
  })

  await t.test('is well at first', async () => {
    assert.equal(await publish('before'), 202)
    assert.deepEqual(await health(), { status: 200, text: 'OK' })
  })

  await t.test('full: each object says so, and nothing is confirmed', async () => {
    fillUp()
    // An object whose last write is younger than five seconds does not write another.
    await until('health says so', async () => {
      const { status, text } = await health()
      const objects = ['directory', 'rig/0', 'shard 0', 'shard 3', 'embedded broker']
      return status === 503 && objects.every((object) => new RegExp(`^${object}: .*SQLITE_FULL`, 'm').test(text))
    })
    assert.equal(await publish('full'), 503)
  })

  await t.test('with space again: it is well without a restart, and what was confirmed is there', async () => {
    rmSync(fill)
    await until('it is well', async () => (await health()).status === 200)
    assert.equal(await publish('after'), 202)
    await holdsConfirmed()
  })

  await t.test('read-only: each object says so', async () => {
    await rigel.kill()
    await whenIdle('mount', ['-o', 'remount,ro', folder])
    await rigel.start()
    const { status, text } = await health()
    assert.equal(status, 503)
    for (const object of ['directory', 'shard 0', 'embedded broker'])
      assert.match(text, new RegExp(`^${object}: .*SQLITE_READONLY`, 'm'))
    assert.equal(await publish('read-only'), 503)
  })

  await t.test('writable again: what was confirmed is there', async () => {
    await rigel.kill()
    await whenIdle('mount', ['-o', 'remount,rw', folder])
    await rigel.start()
    assert.deepEqual(await health(), { status: 200, text: 'OK' })
    await holdsConfirmed()
  })

  for (const [objects, line] of [
    ['SessionRegistry', /^sessions-\d+: Error: internal error/m],
    ['UserShard', /^shard \d: Error: internal error/m],
    ['EmbeddedBroker', /^embedded broker: Error: internal error/m],
    ['Directory', /^directory: Error: internal error/m],
  ] as const) {
    await t.test(`a broken file of ${objects}: health names the object`, async () => {
      await rigel.kill()
      const [file = ''] = globSync(join(folder, `v3/do/*${objects}/*.sqlite`)).filter((path) => !/metadata/.test(path))
      for (const path of [`${file}-wal`, `${file}-shm`]) rmSync(path, { force: true })
      writeFileSync(file, 'no database '.repeat(1_000))
      await rigel.start()
      const { status, text } = await health()
      assert.equal(status, 503)
      assert.match(text, line)
    })
  }
})

async function health(): Promise<{ readonly status: number; readonly text: string }> {
  const headers = { authorization: 'Bearer a-development-token' }
  const response = await fetch(`${rigel.origin}/_rig/api/health`, { headers })
  return { status: response.status, text: await response.text() }
}

async function publish(id: string): Promise<number> {
  const headers = { 'content-type': 'application/cloudevents+json' }
  const body = JSON.stringify({ specversion: '1.0', id, source: '/e2e', type: 'disk', partitionkey: id, data: {} })
  const response = await fetch(`${rigel.origin}/_rig/v1/events`, { method: 'POST', headers, body })
  if (response.ok) confirmed.push(id)
  return response.status
}

async function holdsConfirmed(): Promise<void> {
  const consumer = rigel.kafka.consumer()
  const ids = new Set<string>()
  for (const partition of PARTITIONS) {
    const messages = await consumer.fetch({ topic: 'rig', partition, offset: 0, timeout: 100 })
    for (const { value } of messages) ids.add((JSON.parse(value) as { id: string }).id)
  }
  assert.deepEqual(
    confirmed.filter((id) => !ids.has(id)),
    [],
  )
}

/** A process that has been killed closes its files a moment later. */
async function whenIdle(command: string, args: readonly string[]): Promise<void> {
  const run = () => {
    try {
      execFileSync(command, args, { stdio: 'ignore' })
      return true
    } catch {
      return false
    }
  }
  await until(`${command} ${args.join(' ')}`, run, 20_000)
}

/** Until not a byte is left. */
function fillUp(): void {
  try {
    execFileSync('dd', ['if=/dev/zero', `of=${fill}`, 'bs=4k'], { stdio: 'ignore' })
  } catch {
    // dd ends with an error when nothing is left.
  }
}
