// workerd's cluster mode (experimental): three instances of the self-hosted build share a bucket, which is moto's S3. One is killed
// while events are published, and its disk is removed: every event that was confirmed comes to every reader, once. Installs
// moto into .wrangler; needs Python 3 with venv. Run: npm run test:cluster
import assert from 'node:assert/strict'
import { execFileSync, spawn, type ChildProcess } from 'node:child_process'
import { existsSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { freePort, Rigel, sleep, until } from '../e2e/rigel.ts'
import { publish, Reader } from './clients.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))
const venv = join(root, '.wrangler/moto')
const INSTANCES = 3

const instances: Rigel[] = []
const readers: Reader[] = []
let origins: readonly string[] = []
let bucket: ChildProcess

before(async () => {
  if (!existsSync(join(venv, 'bin/moto_server'))) {
    execFileSync('python3', ['-m', 'venv', venv])
    const requirements = join(import.meta.dirname, 'requirements.txt')
    execFileSync(join(venv, 'bin/pip'), ['install', '--quiet', '--disable-pip-version-check', '-r', requirements])
  }
  execFileSync('npm', ['run', '-s', 'build:workerd'], { cwd: root, stdio: ['ignore', 'ignore', 'inherit'] })
  const port = await freePort()
  const endpoint = `http://127.0.0.1:${port}`
  bucket = spawn(join(venv, 'bin/moto_server'), ['-H', '127.0.0.1', '-p', String(port)], { stdio: 'ignore' })
  process.once('exit', () => bucket.kill('SIGKILL'))
  const make = () => fetch(`${endpoint}/rigel`, { method: 'PUT' }).catch(() => undefined)
  await until('there is a bucket', async () => (await make())?.ok === true)
  const variables = {
    AWS_ENDPOINT_URL: endpoint,
    AWS_REGION: 'us-east-1',
    AWS_ACCESS_KEY_ID: 'a-key',
    AWS_SECRET_ACCESS_KEY: 'a-secret',
    RIGEL_CLUSTER_BUCKET: 's3://rigel/test',
    RIGEL_CLUSTER_KEY: 'a'.repeat(32),
  }
  for (let n = 0; n < INSTANCES; n += 1) instances.push(await Rigel.start(variables, undefined, 'workerd'))
  origins = instances.map(({ origin }) => origin)
})

after(async () => {
  for (const reader of readers) reader.close()
  for (const instance of instances) await instance.end()
  bucket?.kill('SIGKILL')
})

void test('what is published at any instance comes to readers at all of them', async () => {
  for (let n = 0; n < 2 * INSTANCES; n += 1) readers.push(new Reader(origins, n))
  await until('all are connected', async () => {
    await publish(origins, 0, crypto.randomUUID())
    return readers.every(({ seen }) => seen.length > 0)
  })
  const ids = Array.from({ length: 30 }, (_, n) => `before ${n}`)
  await Promise.all(ids.map((id, n) => publish(origins, n, id)))
  await untilSeen(ids)
})

void test(
  'an instance is killed and its disk is lost: nothing that was confirmed is',
  { timeout: 180_000 },
  async () => {
    const confirmed: string[] = []
    const over = new AbortController()
    const publishers = origins.map(async (_origin, at) => {
      for (let n = 0; !over.signal.aborted; n += 1) {
        await publish(origins, at, `${at}/${n}`)
        confirmed.push(`${at}/${n}`)
        await sleep(50)
      }
    })
    await until('events are confirmed', () => confirmed.length > 50)
    const [victim] = instances
    assert.ok(victim)
    await victim.kill()
    rmSync(join(victim.folder, 'state'), { recursive: true, force: true })
    // Its objects are taken over when its lease of 20 seconds has ended.
    const had = confirmed.length
    await sleep(25_000)
    await until('events are confirmed again', () => confirmed.length > had + 50)
    over.abort()
    await Promise.all(publishers)
    await untilSeen(confirmed)
  },
)

void test('an instance that is told to stop loses nothing either', { timeout: 180_000 }, async () => {
  const [, second] = instances
  await second?.signal('SIGTERM')
  const ids = Array.from({ length: 10 }, (_, n) => `after ${n}`)
  await Promise.all(ids.map((id) => publish(origins, 2, id)))
  await untilSeen(ids)
})

/** Waits until every reader has seen all, and checks that none has seen one twice or was told of a gap. */
async function untilSeen(ids: readonly string[]): Promise<void> {
  await until('every reader has seen every event', () =>
    readers.every(({ seen }) => {
      const known = new Set(seen)
      return ids.every((id) => known.has(id))
    }),
  )
  for (const { gaps, seen } of readers) assert.deepEqual([seen.length - new Set(seen).size, gaps], [0, []])
}
