// A client asks when it has been sent everything up to offsets, through the Worker, on each transport.
import { env } from 'cloudflare:workers'
import { describe, expect, it } from 'vitest'
import { connectSse, connectWs, fetchRigel, PollClient, publish, tokenFor } from '../../support/gateway-client.ts'
import { PhoenixClient } from '../../support/phoenix-client.ts'

const TYPE = 'passed.one'
const subscriptions = [{ eventType: TYPE }]

interface Place {
  readonly topic: string
  readonly partition: number
  readonly offset: number
}

const textOf = ({ offset, partition, topic }: Place) => `${topic}/${partition}@${offset}`
const tokenOfData = (data: unknown) => (data as { connection_token: string }).connection_token

function put(transport: string, connectionToken: string, body: unknown): Promise<Response> {
  return fetchRigel(`/_rig/v1/connection/${transport}/${connectionToken}/passed`, {
    method: 'PUT',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  })
}

/** One event that the client gets, and then one that nobody wants, whose offsets the client asks for. */
async function publishTwo(id: string): Promise<string> {
  const wanted = await publish({ id, type: TYPE, partitionkey: 'passed' })
  const unwanted = await publish({ type: 'passed.unwanted', partitionkey: 'passed' })
  expect(unwanted.offset).toBeGreaterThan(wanted.offset)
  return textOf(unwanted)
}

describe('a client that asks whether offsets are passed', () => {
  it('is told behind the events, by SSE and NDJSON', async () => {
    const client = await connectSse({ user: 'passed-1', subscriptions })
    const offsets = await publishTwo('1')
    const token = tokenOfData(client.frames[0]?.data['data'])
    expect((await put('sse', token, { offsets, ref: 'a' })).status).toBe(204)
    await client.until(1, 'rig.passed')
    expect(client.frames.slice(2).map(({ data }) => [data['type'], data['data'] ?? data['id']])).toEqual([
      [TYPE, '1'],
      ['rig.passed', { offsets, ref: 'a' }],
    ])
    await client.close()
  })

  it('is told behind the events, by plain WebSocket frames, rigel.v1 and long-polling', async () => {
    const wanted = { user: 'passed-2', subscriptions }
    const plain = await connectWs(wanted)
    const framed = await connectWs(wanted, 'rigel.v1')
    const polling = await PollClient.open(wanted)
    const offsets = await publishTwo('2')
    const created = await plain.untilType('rig.connection.create', 1)
    expect((await put('ws', tokenOfData(created[0]?.event['data']), { offsets })).status).toBe(204)
    framed.socket.send(JSON.stringify({ type: 'passed', offsets, ref: 'b' }))
    const token = tokenOfData(polling.events[0]?.['data'])
    expect((await put('longpolling', token, { offsets })).status).toBe(204)
    await plain.untilType('rig.passed', 1)
    expect(plain.events.slice(2).map(({ event }) => event['type'])).toEqual([TYPE, 'rig.passed'])
    const answered = await framed.until(({ received }) => received.some((text) => text.includes('"passed":')))
    const frames = answered.received.map((text) => JSON.parse(text) as Record<string, unknown>)
    expect(frames.at(-1)).toMatchObject({ type: 'position', passed: offsets, ref: 'b' })
    expect(framed.ofType(TYPE)).toHaveLength(1)
    await polling.untilType('rig.passed', 1)
    expect(polling.events.slice(2).map(({ type }) => type)).toEqual([TYPE, 'rig.passed'])
    plain.socket.close()
    framed.socket.close()
  })

  it('is told behind the events, by a Phoenix channel', async () => {
    const client = await PhoenixClient.open(await tokenFor('passed-3'))
    await client.ask(`events:${TYPE}`, 'phx_join')
    const offsets = await publishTwo('3')
    const reply = await client.ask(`events:${TYPE}`, 'passed', { offsets }, null)
    expect(reply).toMatchObject({ status: 'ok', response: { last_event_id: expect.stringContaining('-') as string } })
    expect(client.frames.filter(([, , , name]) => name === 'message')).toHaveLength(1)
    const refused = await client.ask(`events:${TYPE}`, 'passed', { offsets: 'x' }, null)
    expect(refused).toMatchObject({ response: { reason: expect.stringContaining('orders/3@1042') as string } })
    client.close()
  })

  it('is refused if it names no offsets, a topic that is not followed, or a connection that is gone', async () => {
    const client = await connectSse({ user: 'passed-4', subscriptions })
    const token = tokenOfData(client.frames[0]?.data['data'])
    const framed = await connectWs({ user: 'passed-4', subscriptions }, 'rigel.v1')
    for (const [body, text] of [
      [{ offsets: 'rig' }, 'orders/3@1042'],
      [{ offsets: 'unknown/0@1' }, 'unknown, a topic that is not followed'],
      [{}, '{"offsets": "orders/3@1042"'],
    ] as const) {
      const refused = await put('sse', token, body)
      expect([refused.status, await refused.text()]).toEqual([400, expect.stringContaining(text)])
    }
    framed.socket.send(JSON.stringify({ type: 'passed', offsets: 'unknown/0@1', ref: 'c' }))
    const { received } = await framed.until((one) => one.received.some((text) => text.includes('"error"')))
    expect(JSON.parse(received.at(-1) ?? '')).toMatchObject({ type: 'error', ref: 'c', status: 400 })
    framed.socket.close()
    await client.close()
    const gone = `${token.split('.')[0]}.${'0'.repeat(32)}`
    expect((await put('sse', gone, { offsets: 'rig/0@0' })).status).toBe(410)
  })

  it('is told later what has not been stored yet', async () => {
    const client = await connectSse({ user: 'passed-5', subscriptions })
    const token = tokenOfData(client.frames[0]?.data['data'])
    const { latest } = await env.EMBEDDED_LOG.getByName('rig/0').offsets()
    const asking = put('sse', token, { offsets: `rig/0@${latest}` })
    for (let key = 0; ; key += 1)
      if ((await publish({ id: 'later', type: 'passed.unwanted', partitionkey: `later ${key}` })).partition === 0) break
    expect((await asking).status).toBe(204)
    await client.close()
  })
})
