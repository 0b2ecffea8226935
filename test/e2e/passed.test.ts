// Read your writes with the client library, in Node: what a page has published has been handled when `passed` resolves, on
// every transport, also if the gateway is killed meanwhile. Run: npm run test:e2e
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { connect } from '../../src/client/index.ts'
import { Rigel } from './rigel.ts'
import { readSnippet } from './snippets.ts'

const TYPE = 'passed.written'

let rigel: Rigel

before(async () => {
  rigel = await Rigel.start()
})

after(() => rigel?.end())

async function write(id: string): Promise<Response> {
  return fetch(`${rigel.origin}/_rig/v1/events`, {
    method: 'POST',
    headers: { 'content-type': 'application/cloudevents+json' },
    body: JSON.stringify({ specversion: '1.0', id, source: '/page', type: TYPE }),
  })
}

for (const transport of ['websocket', 'sse', 'longpolling'] as const) {
  void test(`${transport}: what was written is handled when passed resolves`, { timeout: 120_000 }, async () => {
    const connection = connect({ url: rigel.origin, transports: [transport], subscriptions: [{ eventType: TYPE }] })
    const seen = new Set<string>()
    connection.on(TYPE, ({ id }) => void seen.add(id))
    await new Promise<void>((resolve) => connection.onState((state) => state === 'open' && resolve()))
    for (let count = 0; count < 20; count += 1) {
      const id = `${transport} ${count}`
      await connection.passed(await write(id))
      assert.ok(seen.has(id), `${id} was not handled`)
    }
    const answer = await write(`${transport} last`)
    await rigel.kill()
    const passed = connection.passed(answer)
    await rigel.start()
    await passed
    assert.ok(seen.has(`${transport} last`))
    await assert.rejects(connection.passed('unknown/0@1'), /a topic that is not followed/)
    connection.close()
    await assert.rejects(connection.passed(answer), /closed/)
  })
}

void test('docs/state.md: what the page has written is handled', { timeout: 120_000 }, async () => {
  const subscriptions = [{ eventType: TYPE }]
  const connection = connect({ url: rigel.origin, subscriptions })
  const seen = new Set<string>()
  connection.on(TYPE, ({ id }) => void seen.add(id))
  await new Promise<void>((resolve) => connection.onState((state) => state === 'open' && resolve()))
  const code = `export default async (fetch, rigel, body) => { ${readSnippet('docs/state.md#passed')}\n}`
  const page = (await import(`data:text/javascript,${encodeURIComponent(code)}`)) as {
    readonly default: (fetch: () => Promise<Response>, rigel: typeof connection, body: string) => Promise<void>
  }
  await page.default(() => write('by the page'), connection, '')
  assert.ok(seen.has('by the page'))
  connection.close()
})
