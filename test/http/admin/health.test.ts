// GET /_rig/api/health while Durable Objects fail, as they do when a disk is full, read-only, or a file is broken.
import { env } from 'cloudflare:workers'
import { createExecutionContext } from 'cloudflare:test'
import { expect, it } from 'vitest'
import { handle } from '../../../src/http/app.ts'
import { expectLogs } from '../../support/expect-logs.ts'

expectLogs(/interest of followers not refreshed/, /the shard map could not be asked for/, /follower not woken/)

const BROKEN = 'database disk image is malformed'

/** A stub whose every call fails. */
const broken: object = new Proxy({}, { get: () => () => Promise.reject(new Error(BROKEN)) })

async function health(bindings: object): Promise<readonly unknown[]> {
  const headers = { authorization: 'Bearer an-internal-token-of-the-tests' }
  const request = new Request('https://rigel.example/_rig/api/health', { headers })
  const response = await handle(request, { ...env, ...bindings }, createExecutionContext())
  return [response.status, await response.text()]
}

it('is 503 with the reason when the Directory fails', async () => {
  expect(await health({ DIRECTORY: { getByName: () => broken } })).toEqual([503, `directory: Error: ${BROKEN}\n`])
})

it('is 503 with the reason for each shard that fails', async () => {
  const getByName = (name: string) => (name === 'shard-1' ? broken : env.USER_SHARD.getByName(name))
  expect(await health({ USER_SHARD: { getByName } })).toEqual([503, `shard 1: Error: ${BROKEN}\n`])
})

it('is 503 with the reason for each follower that fails, and for a log that does not answer', async () => {
  const [status, text] = await health({ EMBEDDED_LOG: { getByName: () => broken } })
  expect(status).toBe(503)
  expect(text).toContain(`rig/0: Error: ${BROKEN}\n`)
})

it('is OK when all of them answer', async () => {
  expect(await health({})).toEqual([200, 'OK'])
})
