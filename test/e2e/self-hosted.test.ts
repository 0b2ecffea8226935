// The self-hosted build as an operator runs it: built, started as a process, used by SSE and WebSocket, ended by SIGTERM and
// SIGKILL in mid-stream, built again and started on the same state. Nothing is lost. Run: npm run test:e2e
import assert from 'node:assert/strict'
import { execFileSync, spawnSync } from 'node:child_process'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import { connectLongpolling, connectRigelSocket, connectSse, type Client } from './clients.ts'
import { Rigel, until } from './rigel.ts'
import { producedFor, produceAll, readAll, type Plan } from './topic.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))
const rigelCommand = `${root}/dist/workerd/rigel`
const PLANS: readonly Plan[] = [{ type: 'hosted.addressed', recipients: ['alice'] }, { type: 'hosted.broadcast' }]
const STOP_SECONDS = 2

const build = () =>
  execFileSync('npm', ['run', '-s', 'build:workerd'], { cwd: root, stdio: ['ignore', 'ignore', 'inherit'] })

void describe('the self-hosted build', () => {
  let rigel: Rigel
  let upstreamCalls = 0
  const clients: Client[] = []
  const upstream = createServer((_request, response) => {
    upstreamCalls += 1
    response.writeHead(200, { 'cache-control': 'public, max-age=60', 'content-type': 'text/plain' }).end('a book')
  })

  before(async () => {
    await new Promise<void>((resolve) => upstream.listen(0, '127.0.0.1', () => resolve()))
    const target = `http://127.0.0.1:${(upstream.address() as AddressInfo).port}`
    build()
    const routes = { 'GET /books': { cache: true }, 'GET /limited': { rate_limit: {} }, 'GET /whoami': {} }
    rigel = await Rigel.start(
      {
        PROXY_CONFIG: JSON.stringify([{ id: 'books', target, routes }]),
        RIGEL_STOP_SECONDS: String(STOP_SECONDS),
        TRUSTED_PROXIES: '1',
      },
      undefined,
      'workerd',
    )
  })

  after(async () => {
    for (const client of clients) client.close()
    await rigel?.end()
    upstream.close()
  })

  void it('serves health, the browser client and the page', async () => {
    assert.equal(await (await fetch(`${rigel.origin}/_rig/health`)).text(), 'OK')
    const client = await fetch(`${rigel.origin}/_rig/client.js`)
    assert.match(client.headers.get('content-type') ?? '', /javascript/)
    assert.match(await client.text(), /export/)
    assert.match(await (await fetch(`${rigel.origin}/_rig/`)).text(), /<!doctype html>/)
  })

  void it(
    'loses nothing through SIGTERM, SIGKILL, and an upgrade on the same state',
    { timeout: 240_000 },
    async () => {
      const options = {
        origin: rigel.origin,
        user: 'alice',
        token: await rigel.mintToken('alice'),
        types: ['hosted.broadcast'],
        addressedTypes: ['hosted.addressed'],
      }
      clients.push(connectSse(options), connectRigelSocket(options), connectLongpolling(options))
      await until('everybody is connected', () => clients.every(({ recovered }) => recovered.length > 0))
      const producing = produceAll(rigel.kafka, PLANS, { name: 'hosted', rounds: 60, everyMs: 100 })
      const seenBy = (count: number) => () => clients.every(({ seen }) => seen.length >= count)

      await until('events flow', seenBy(8))
      const beginMs = Date.now()
      await rigel.signal('SIGTERM')
      assert.ok(Date.now() - beginMs < (STOP_SECONDS + 3) * 1_000, 'SIGTERM ends it in seconds, with streams open')
      await rigel.start()

      await until('they flow again', seenBy(24))
      await rigel.kill()
      build()
      await rigel.start()
      await producing

      const all = await readAll(rigel.kafka)
      const expected = producedFor(all, 'alice', options.types).map(({ id }) => id)
      for (const { name, recovered, seen } of clients) {
        await until(`${name} has everything`, () => seen.length >= expected.length).catch(() => undefined)
        assert.deepEqual(seen.map(({ id }) => id).toSorted(), expected.toSorted(), name)
        assert.ok(!recovered.includes(false), `${name} was told of a gap`)
      }
    },
  )

  void it('caches what a route may cache', async () => {
    const callsBefore = upstreamCalls
    const statuses: (string | null)[] = []
    for (let n = 0; n < 3; n += 1) {
      const response = await fetch(`${rigel.origin}/books`)
      assert.equal(await response.text(), 'a book')
      statuses.push(response.headers.get('cache-status'))
    }
    assert.deepEqual(statuses, ['rigel; fwd=miss; stored', 'rigel; hit', 'rigel; hit'])
    assert.equal(upstreamCalls - callsBefore, 1)
  })

  void it('counts by the address that the proxy in front has seen, whatever the client says', async () => {
    const ask = (headers: Record<string, string>) => fetch(`${rigel.origin}/limited`, { headers })
    // PROXY_RATE_LIMIT allows 1,000 a minute, and the flood may lie in two minutes.
    const flood = Array.from({ length: 2_001 }, async (_, n) => {
      const forged = { 'cf-connecting-ip': `10.0.0.${n % 250}`, 'x-forwarded-for': `10.0.1.${n % 250}, 192.0.2.7` }
      const response = await ask(forged)
      await response.body?.cancel()
      return response.status
    })
    assert.ok((await Promise.all(flood)).includes(429))
    assert.equal((await ask({ 'x-forwarded-for': '192.0.2.8' })).status, 200)
  })

  void it('says that its port is no port, and that its state is in use', () => {
    const fail = (settings: Readonly<Record<string, string>>) =>
      spawnSync(rigelCommand, { encoding: 'utf8', env: { PATH: process.env['PATH'], ...settings } })
    const badPort = fail({ PORT: 'abc' })
    assert.match(badPort.stderr, /PORT: must be a whole number from 1 to 65535, got "abc"/)
    const state = join(rigel.folder, 'state')
    const second = fail({ PORT: '1', RIGEL_STATE: state })
    assert.equal(second.stderr.trim(), `RIGEL_STATE: another Rigel runs on ${state}`)
    assert.deepEqual([badPort.status, second.status], [1, 1])
  })
})
