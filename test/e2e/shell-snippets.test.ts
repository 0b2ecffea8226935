// The commands of README.md and docs/, run as they stand there, against a running Rigel. scripts/check-docs.ts sees to it that
// none is forgotten. Run: npm run test:e2e
import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { Rigel, until } from './rigel.ts'
import { readSnippet, runShell, startShell, type ShellOptions } from './snippets.ts'

const folder = mkdtempSync(join(tmpdir(), 'rigel-snippets-'))
let rigel: Rigel
let options: ShellOptions

before(async () => {
  rigel = await Rigel.start({ KAFKA_SOURCE_TOPICS: 'rig,orders' })
  options = { origin: rigel.origin, cwd: folder }
})

after(async () => {
  await rigel?.end()
  rmSync(folder, { recursive: true })
})

interface RigEvent {
  readonly type: string
  readonly data: { readonly connection_token?: string }
}

/** One that listens, one that publishes what it should print, and the word by which it is recognised. */
for (const [listen, publish, word] of [
  ['README.md#listen', 'README.md#publish', 'hello'],
  ['docs/protocol.md#sse', 'docs/publishing.md#publish', '4711'],
  ['docs/protocol.md#ndjson', 'docs/publishing.md#publish', '4711'],
  ['docs/adding-a-transport.md#ndjson', 'docs/publishing.md#publish', '4711'],
] as const) {
  void test(`${listen} prints what ${publish} publishes`, { timeout: 120_000 }, async () => {
    const listener = startShell(listen, options)
    await until(`${listen} has subscribed: ${listener.output}`, () => listener.output.includes('rig.subscriptions_set'))
    assert.match(await runShell(publish, options), /\{"topic":"rig","partition":\d+,"offset":\d+\}/)
    await until(`${listen} prints it: ${listener.output}`, () => listener.output.includes(word))
    listener.kill()
    await listener.ended
    if (listen !== 'docs/adding-a-transport.md#ndjson') return
    const typesIn = (text: string): readonly string[] => text.match(/"rig\.[a-z_.]+"|"order\.[a-z]+"/g) ?? []
    assert.deepEqual(
      [...new Set(typesIn(listener.output))],
      typesIn(readSnippet('docs/adding-a-transport.md#ndjson-lines')),
    )
  })
}

void test('docs/protocol.md#history prints what is stored', { timeout: 60_000 }, async () => {
  assert.match(await runShell('docs/protocol.md#history', options), /"complete_since":.*"events":\[/)
})

void test('docs/protocol.md: PUT replaces the subscriptions', { timeout: 60_000 }, async () => {
  // Not alice: the server may notice only later that the stream is closed, and counts alice's below.
  const TOKEN = await rigel.mintToken('bob')
  const stream = await openStream(TOKEN)
  const created = await stream.next('rig.connection.create')
  await stream.next('rig.subscriptions_set')
  const env = { TOKEN, CONNECTION_TOKEN: created.data.connection_token ?? '' }
  await runShell('docs/protocol.md#put-subscriptions', { ...options, env })
  const { data } = await stream.next('rig.subscriptions_set')
  assert.deepEqual(data, [{ eventType: 'order.shipped', oneOf: [] }])
  stream.close()
})

void test('docs/push.md: a connector pushes a batch', { timeout: 60_000 }, async () => {
  const printed = await runShell('docs/push.md#push', {
    ...options,
    env: { TOKEN: await rigel.mintToken('connector') },
  })
  assert.match(printed, /^\[\{"topic":"rig","partition":\d+,"offset":\d+\}\]$/)
})

void test('docs/internal-api.md: who is connected, and the end of a session', { timeout: 60_000 }, async () => {
  const token = await rigel.mintToken('alice', { jti: 'session-17' })
  const streams = [await openStream(token), await openStream(await rigel.mintToken('alice'))]
  for (const stream of streams) await stream.next('rig.connection.create')
  assert.equal(await runShell('docs/internal-api.md#users', options), '{"users":{"alice":2},"next":null}')
  await runShell('docs/internal-api.md#revoke', options)
  await streams[0]?.next('rig.session_killed')
  const again = await fetch(`${rigel.origin}/_rig/v1/connection/sse?jwt=${token}`)
  assert.equal(again.status, 401)
  for (const stream of streams) stream.close()
})

void test(
  'docs/operations.md and docs/configuration.md: is it well, and how much does it do',
  { timeout: 60_000 },
  async () => {
    for (const id of ['docs/configuration.md#deploy', 'docs/deploy.md#deploy']) {
      assert.equal(await runShell(id, options), 'OK', id)
    }
    assert.equal(await runShell('docs/deploy.md#staging', options), '')
    assert.match(await runShell('docs/operations.md#health', options), /^OKOK$/)
    assert.match(await runShell('docs/operations.md#metrics', options), /^rigel_shards \d+$/m)
  },
)

void test(
  'docs/operations.md: dead letters are shown, and one by its place is asked for',
  { timeout: 60_000 },
  async () => {
    const printed = await runShell('docs/operations.md#dead-letters', options)
    assert.equal(printed, '{"topic":"rig-dead-letter","dead_letters":[]}0/17: there is no such dead letter')
  },
)

void test('docs/explain.md: why an event did not arrive', { timeout: 60_000 }, async () => {
  const token = await rigel.mintToken('alice')
  const stream = await openStream(token)
  await stream.next('rig.connection.create')
  const producer = rigel.kafka.producer()
  const event = { specversion: '1.0', id: 'booking-4711', source: '/e2e', type: 'any', data: { recipients: ['alice'] } }
  for (let offset = -1; offset < 17;) {
    offset = (await producer.produce('rig', event, { partition: 0 })).offset
    await stream.next('any')
  }
  const printed = await runShell('docs/explain.md#explain', options)
  assert.equal(printed.match(/received/g)?.length, 3, printed)
  stream.close()
})

void test('docs/sources.md: a rule is tried', { timeout: 60_000 }, async () => {
  const tried = await runShell('docs/sources.md#try', options)
  assert.match(tried, /"type":"order\.paid"/)
  assert.match(tried, /"42"/)
})

void test('docs/migrating-from-rig.md: settings are translated', { timeout: 60_000 }, async () => {
  writeFileSync(join(folder, 'values.yaml'), '{}')
  writeFileSync(join(folder, 'rig.env'), 'JWT_SECRET_KEY=a secret of the test')
  await runShell('docs/migrating-from-rig.md#migrate', options)
  await runShell('docs/migrating-from-rig.md#try', options)
  assert.match(readFileSync(join(folder, '.dev.vars'), 'utf8'), /JWT_SECRET_KEY/)
})

void test('docs/internal-api.md: a user is erased', { timeout: 60_000 }, async () => {
  const stream = await openStream(await rigel.mintToken('alice', { jti: 'session-of-alice' }))
  await stream.next('rig.connection.create')
  const printed = await runShell('docs/internal-api.md#erase', options)
  assert.match(printed, /^\{"user":"alice","closed":\d+,"revoked":[1-9]/)
  await stream.next('rig.session_killed')
  stream.close()
})

void test('docs/gateway.md: OpenAPI is imported', { timeout: 60_000 }, async () => {
  const paths = { '/books': { get: { responses: {} } } }
  const document = {
    openapi: '3.1.0',
    info: { title: 'Books', version: '1' },
    servers: [{ url: 'https://a.example' }],
    paths,
  }
  writeFileSync(join(folder, 'openapi.yaml'), JSON.stringify(document))
  writeFileSync(join(folder, 'proxy.json'), '{"apis":[]}')
  const printed = await runShell('docs/gateway.md#import', options)
  assert.match(printed, /"target": "https:\/\/books\.example\.com"/)
  assert.match(readFileSync(join(folder, 'proxy.json'), 'utf8'), /"GET \/books"/)
})

/** An SSE stream, read event by event. */
async function openStream(token: string) {
  const ending = new AbortController()
  const response = await fetch(`${rigel.origin}/_rig/v1/connection/sse?jwt=${token}`, { signal: ending.signal })
  const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader()
  let text = ''
  return {
    async next(type: string): Promise<RigEvent> {
      for (;;) {
        const end = text.indexOf('\n\n')
        if (end < 0) text += (await reader?.read())?.value ?? assert.fail(`the stream ended before ${type}`)
        else {
          const [, data] = /^data: ?(.*)$/m.exec(text.slice(0, end)) ?? []
          text = text.slice(end + 2)
          const event = data ? (JSON.parse(data) as RigEvent) : null
          if (event?.type === type) return event
        }
      }
    },
    close: () => ending.abort(),
  }
}
