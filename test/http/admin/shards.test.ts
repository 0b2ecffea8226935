// GET and PUT /_rig/api/v1/shards: what is refused, and how. test/e2e/growing.test.ts changes the number of shards.
import { describe, expect, it } from 'vitest'
import { fetchRigel } from '../../support/gateway-client.ts'

const authorization = 'Bearer an-internal-token-of-the-tests'
const EXPECTED = 'Expected {"shards": a whole number from 1 to 8192}.'
const STEADY = { shards: 3, wanted: 3, version: 1, phase: 'steady', from: null, to: null, problem: null }

function put(body: string, headers: HeadersInit = { authorization }): Promise<Response> {
  return fetchRigel('/_rig/api/v1/shards', { method: 'PUT', headers, body })
}

async function get(): Promise<unknown> {
  return (await fetchRigel('/_rig/api/v1/shards', { headers: { authorization } })).json()
}

describe('the number of shards', () => {
  it.each([
    '',
    'eight',
    '8',
    'null',
    '[8]',
    '{}',
    '{"shards": null}',
    '{"shards": "8"}',
    '{"shards": 0}',
    '{"shards": -1}',
    '{"shards": 8.5}',
    '{"shards": 8193}',
    '{"shards": 1e400}',
    '{"shards": 9007199254740993}',
    '{"shards": 8, "from": 4}',
  ])('is not changed by %j, and the answer says what would be right', async (body) => {
    const response = await put(body)
    expect([response.status, await response.text()]).toEqual([400, expect.stringContaining(EXPECTED)])
    expect(await get()).toMatchObject(STEADY)
  })

  it('is not changed by a long body, nor without the token', async () => {
    expect((await put(`{"shards": ${' '.repeat(2_000)}8}`)).status).toBe(413)
    expect((await put('{"shards": 8}', {})).status).toBe(401)
    expect((await put('{"shards": 8}', { authorization: 'Bearer another' })).status).toBe(401)
    expect(await get()).toMatchObject(STEADY)
  })

  it('may be asked for again: nothing changes', async () => {
    const response = await put('{"shards": 3}')
    expect([response.status, await response.json()]).toEqual([202, expect.objectContaining(STEADY)])
  })
})
