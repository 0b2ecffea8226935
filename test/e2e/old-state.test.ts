// A state folder that an older version made is carried over: logs and positions, interests, checkpoints, API definitions,
// revocations. states/ has a folder by the date of its version, made by publishing three events to one subscriber, with one
// API definition and one revoked session. Run: npm run test:e2e
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { globSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { after, before, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { Rigel } from './rigel.ts'

/** The version of commit 2312e11: a follower beside each partition of the embedded log, interest by names. */
const ARCHIVE = fileURLToPath(new URL('states/2026-11-26.tar.gz', import.meta.url))
/** Where its client was when the second and third event came. */
const POSITION = '1.220c3e8d8ce5-2'
const INTERNAL = { authorization: 'Bearer a-development-token' }
/** In UTF-16 units: what a stream sends before it is given up. */
const MAX_STREAM = 100_000

let rigel: Rigel

before(async () => {
  rigel = await Rigel.start({}, undefined, 'npm', (folder) => {
    execFileSync('tar', ['-xzf', ARCHIVE, '-C', folder])
    makeRecent(folder)
  })
})

after(() => rigel?.end())

void test('a client comes back with its old position, and gets what it missed and what is new', async () => {
  const token = await rigel.mintToken('alice')
  const subscriptions = encodeURIComponent(JSON.stringify([{ eventType: 'old.news' }]))
  const url = `${rigel.origin}/_rig/v1/connection/ndjson?subscriptions=${subscriptions}&last_event_id=${POSITION}`
  const response = await fetch(url, { headers: { authorization: `Bearer ${token}` } })
  const lines = readLines(response)
  await publish(token, 'o4')
  const events = []
  for await (const line of lines) {
    const { event } = JSON.parse(line) as { event?: { id: string; type: string; data: { recovered?: boolean } } }
    if (event?.type === 'rig.connection.create') assert.equal(event.data.recovered, true)
    if (event?.type === 'old.news') events.push(event.id)
    if (event?.id === 'o4') break
  }
  assert.deepEqual(events, ['o2', 'o3', 'o4'])
})

void test('partitions go on where their followers were', async () => {
  const { followers } = (await get('/_rig/api/v3/followers')) as {
    followers: { topic: string; partition: number; counters: { records: number; deadLetters: number; lost: number } }[]
  }
  const ofTopic = followers.filter(({ topic }) => topic === 'rig').map(({ counters }) => counters)
  assert.equal(
    ofTopic.reduce((sum, { records }) => sum + records, 0),
    4,
  )
  assert.ok(ofTopic.every(({ deadLetters, lost }) => deadLetters === 0 && lost === 0))
})

void test('API definitions and revoked sessions are there', async () => {
  const apis = (await get('/_rig/api/v3/apis')) as { id: string }[]
  assert.ok(apis.some(({ id }) => id === 'kept-api'))
  const revoked = await fetch(`${rigel.origin}/_rig/api/v3/session-blacklist/session-of-bob`, { headers: INTERNAL })
  assert.equal(revoked.status, 200)
  const token = await rigel.mintToken('bob', { jti: 'session-of-bob' })
  const refused = await fetch(`${rigel.origin}/_rig/v1/connection/ndjson`, {
    headers: { authorization: `Bearer ${token}` },
  })
  assert.equal(refused.status, 401)
})

/** Sets the time of each log row to now: rows of the archive are past their retention. */
function makeRecent(folder: string): void {
  for (const file of globSync(join(folder, 'v3/do/*/*.sqlite'))) {
    const database = new DatabaseSync(file)
    const table = database.prepare("SELECT 1 FROM sqlite_master WHERE name = 'segments'").get()
    if (table !== undefined) database.prepare('UPDATE segments SET appended_ms = ?').run(Date.now())
    database.close()
  }
}

async function get(path: string): Promise<unknown> {
  const response = await fetch(`${rigel.origin}${path}`, { headers: INTERNAL })
  assert.equal(response.status, 200)
  return response.json()
}

async function publish(token: string, id: string): Promise<void> {
  const response = await fetch(`${rigel.origin}/_rig/v1/events`, {
    method: 'POST',
    headers: { 'content-type': 'application/cloudevents+json', authorization: `Bearer ${token}` },
    body: JSON.stringify({ specversion: '1.0', id, source: '/old', type: 'old.news', data: {} }),
  })
  assert.equal(response.status, 202)
}

async function* readLines({ body }: Response): AsyncGenerator<string> {
  if (body === null) return
  const reader = body.pipeThrough(new TextDecoderStream()).getReader()
  let text = ''
  while (text.length < MAX_STREAM) {
    const { done, value } = await reader.read()
    if (done) return
    const lines = (text + value).split('\n')
    text = lines.pop() ?? ''
    yield* lines
  }
}
