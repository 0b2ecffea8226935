// HTTP to a proxy: what bounds it, and what its errors say.
import { expect, it } from 'vitest'
import { createRestClient, requireOk } from '../../../src/kafka/rest/rest-client.ts'
import { TestBridge } from '../test-bridge.ts'

async function start() {
  const bridge = await TestBridge.start({ dialect: 'confluent' })
  return { bridge, client: createRestClient(bridge.url, { kind: 'none' }, (input, init) => fetch(input, init)) }
}

it('gives up on a proxy that does not answer in time, and names it', async () => {
  const { bridge, client } = await start()
  await bridge.command({ fault: { pattern: '', times: 1, delayMs: 5_000 } })
  const asked = client.request({ method: 'GET', path: '/topics', timeoutMs: 50 })
  await expect(asked).rejects.toThrow(new RegExp(`${new URL(bridge.url).host}: GET /topics: .*[Tt]ime`))
})

it('takes only so many bytes', async () => {
  const { bridge, client } = await start()
  await bridge.command({ fault: { pattern: '', times: 2, status: 200, text: 'x'.repeat(1_000) } })
  expect((await client.request({ method: 'GET', path: '/topics', maxBytes: 1_000 })).text.length).toBe(1_000)
  await expect(client.request({ method: 'GET', path: '/topics', maxBytes: 999 })).rejects.toThrow('more than 999 bytes')
})

it('goes where it was sent to, and nowhere else', async () => {
  const { bridge, client } = await start()
  await bridge.command({ fault: { pattern: '', times: 1, status: 302, text: '' } })
  const answer = await client.request({ method: 'GET', path: '/topics' })
  expect(() => requireOk(client, answer)).toThrow('HTTP 302: no reason given')
})
