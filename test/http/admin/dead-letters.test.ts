import { env, exports } from 'cloudflare:workers'
import { describe, expect, it } from 'vitest'
import { expectLogs } from '../../support/expect-logs.ts'
import { eventually } from '../../support/eventually.ts'

expectLogs(/records went to the dead-letter topic/)

const authorization = 'Bearer an-internal-token-of-the-tests'
const bytes = (text: string) => new TextEncoder().encode(text)

function call(method: string, path: string, body?: unknown): Promise<Response> {
  const init = { method, headers: { authorization } }
  const request = new Request(
    `https://rigel.example/_rig/api${path}`,
    body ? { ...init, body: JSON.stringify(body) } : init,
  )
  return exports.default.fetch(request)
}

async function appendPlain(text: string): Promise<void> {
  const headers = [{ key: 'trace', value: bytes('t1') }]
  await env.EMBEDDED_LOG.getByName('rig/0').append([{ timestampMs: 1, key: bytes('k'), headers, value: bytes(text) }])
}

/** The follower was woken by the append, and may still be running. */
async function listUntil(text: string): Promise<Listed['dead_letters']> {
  for (;;) {
    const { dead_letters } = await (await call('GET', '/v3/dead-letters')).json<Listed>()
    if (dead_letters.some(({ value }) => value.text === text)) return dead_letters
    await scheduler.wait(20)
  }
}

async function placeOf(text: string) {
  const { offset, partition } = (await listUntil(text)).find(({ value }) => value.text === text) ?? {}
  return { partition, offset }
}

interface Listed {
  readonly dead_letters: readonly { partition: number; offset: number; origin: object; value: { text: string } }[]
}

describe('a record that is plain JSON', () => {
  it('is shown by the status of its follower, in the metrics by reason, and in the list of dead letters', async () => {
    await appendPlain('{"n":1}')
    const dead_letters = await listUntil('{"n":1}')
    const status = await env.EMBEDDED_LOG.getByName('rig/0').status()
    expect(status.deadLetters).toMatchObject({
      byReason: { not_a_cloud_event: 1 },
      last: { code: 'not_a_cloud_event', rule: null, reason: expect.stringContaining('not a CloudEvent') as string },
    })
    await eventually(
      async () =>
        expect(await (await call('GET', '/metrics')).text()).toContain(
          'rigel_dead_letters_total{topic="rig",partition="0",reason="not_a_cloud_event"} 1',
        ),
      { interval: 100 },
    )
    expect(dead_letters.at(-1)).toMatchObject({
      reason_code: 'not_a_cloud_event',
      rule: null,
      origin: { topic: 'rig', partition: 0, offset: 0 },
      key: { text: 'k' },
      value: { text: '{"n":1}' },
      headers: [{ key: 'trace', text: 't1' }],
    })
  })

  it('is listed whatever timestamp its producer gave it', async () => {
    const value = bytes(`{"at":${Date.now()}}`)
    const partition = env.EMBEDDED_LOG.getByName('rig-dead-letter/0')
    await partition.append([{ timestampMs: 2 ** 62, key: null, headers: [], value }])
    const { dead_letters } = await (await call('GET', '/v3/dead-letters')).json<Listed>()
    expect(dead_letters.find((one) => one.value.text === new TextDecoder().decode(value))).toMatchObject({ time: null })
  })

  it('is replayed into the topic that it came from, as it was', async () => {
    await appendPlain('{"n":2}')
    const answer = await call('POST', '/v3/dead-letters/replay', { dead_letters: [await placeOf('{"n":2}')] })
    expect(answer.status).toBe(202)
    const { produced } = await answer.json<{ produced: { topic: string; partition: number; offset: number }[] }>()
    const { topic, partition, offset } = produced[0] ?? { topic: '', partition: 0, offset: 0 }
    expect(topic).toBe('rig')
    const read = await env.EMBEDDED_LOG.getByName(`rig/${partition}`).read(offset, { maxWaitMs: 0, maxBytes: 1 })
    if (read.kind !== 'records') throw new Error(read.kind)
    const [again] = read.records
    expect([again?.key, again?.value, again?.headers]).toEqual([
      bytes('k'),
      bytes('{"n":2}'),
      [{ key: 'trace', value: bytes('t1') }],
    ])
  })

  it.each([{}, { dead_letters: [] }, { dead_letters: [{ partition: 0, offset: 999_999 }] }])(
    'is not replayed by a request such as %j',
    async (body) => expect((await call('POST', '/v3/dead-letters/replay', body)).status).toBe(400),
  )

  it('is replayed as an operator has changed it, and what is not named stays as it was', async () => {
    await appendPlain('{"n":3}')
    const place = await placeOf('{"n":3}')
    const value = { text: '{"specversion":"1.0","id":"edited","source":"/s","type":"t"}' }
    const answer = await call('POST', '/v3/dead-letters/replay', { dead_letters: [{ ...place, record: { value } }] })
    expect(answer.status).toBe(202)
    const { produced } = await answer.json<{ produced: { partition: number; offset: number }[] }>()
    const { partition, offset } = produced[0] ?? { partition: -1, offset: -1 }
    const read = await env.EMBEDDED_LOG.getByName(`rig/${partition}`).read(offset, { maxWaitMs: 0, maxBytes: 1 })
    if (read.kind !== 'records') throw new Error(read.kind)
    expect(read.records[0]).toMatchObject({
      key: bytes('k'),
      value: bytes(value.text),
      headers: [{ key: 'trace', value: bytes('t1') }],
    })
  })

  const headers = [
    { key: 'ce_specversion', text: '1.0' },
    { key: 'ce_type', text: 't' },
    { key: 'ce_source', text: '/s' },
    { key: 'ce_id', base64: 'aGVhZGVycw==' },
  ]

  it('gets other headers, and no key', async () => {
    await appendPlain('{"n":4}')
    const place = await placeOf('{"n":4}')
    const record = { key: null, headers }
    const answer = await call('POST', '/v3/dead-letters/replay', { dead_letters: [{ ...place, record }] })
    const { produced } = await answer.json<{ produced: { partition: number; offset: number }[] }>()
    const { partition, offset } = produced[0] ?? { partition: -1, offset: -1 }
    const read = await env.EMBEDDED_LOG.getByName(`rig/${partition}`).read(offset, { maxWaitMs: 0, maxBytes: 1 })
    if (read.kind !== 'records') throw new Error(read.kind)
    const [again] = read.records
    expect([again?.key, again?.value]).toEqual([null, bytes('{"n":4}')])
    expect(again?.headers.at(-1)).toEqual({ key: 'ce_id', value: bytes('headers') })
  })

  it.each([
    ['would be a dead letter again', { value: { text: '{"n":5.5}' } }, 'would not be an event'],
    ['has a value that is no base64', { value: { base64: '!' } }, '"value"'],
    ['has a value that is neither text nor base64', { value: '{"n":6}' }, '"value"'],
    ['has a header without a value', { headers: [{ key: 'ce_id' }] }, '"headers"'],
    ['has what no record has', { offset: 3 }, '"record"'],
  ])('is not replayed as a record that %s, nor is any other of the request', async (_, record, expected) => {
    await appendPlain('{"n":5}')
    const place = await placeOf('{"n":5}')
    const before = await env.EMBEDDED_LOG.getByName('rig/0').offsets()
    const answer = await call('POST', '/v3/dead-letters/replay', { dead_letters: [place, { ...place, record }] })
    expect([answer.status, await answer.text()]).toEqual([400, expect.stringContaining(expected) as string])
    expect(await env.EMBEDDED_LOG.getByName('rig/0').offsets()).toEqual(before)
  })
})
