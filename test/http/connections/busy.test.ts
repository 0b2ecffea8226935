// Clients that come while more connect than can be served: told when to come back, in the way that each transport can read.
import { env } from 'cloudflare:workers'
import { createExecutionContext } from 'cloudflare:test'
import { expect, it, vi } from 'vitest'
import { handle } from '../../../src/http/app.ts'
import { workerContext } from '../../../src/http/worker-context.ts'

const CONNECTION = '/_rig/v1/connection'
const UPGRADE = { upgrade: 'websocket' }

function makeIsolate() {
  const isolate = { ...env }
  const openings = workerContext(isolate).variables?.openings
  if (openings === undefined) throw new Error('misconfigured')
  const call = (path: string, headers: Readonly<Record<string, string>> = {}) =>
    Promise.resolve(handle(new Request(`https://rigel.example${path}`, { headers }), isolate, createExecutionContext()))
  return { openings, call }
}

function makeBusy() {
  const { call, openings } = makeIsolate()
  vi.spyOn(openings, 'enter').mockResolvedValue(2_345)
  return call
}

it('an event stream: retry, rig.connection.close, and the end', async () => {
  const response = await makeBusy()(`${CONNECTION}/sse`, { accept: 'text/event-stream' })
  expect([response.status, response.headers.get('retry-after')]).toEqual([200, '3'])
  const text = await response.text()
  expect(text).toMatch(/^retry: 2345\n\nevent: rig\.connection\.close\n/)
  expect(text).toContain('"code":4003')
})

it.each(['ndjson', 'longpolling'])('%s: 503 with Retry-After', async (transport) => {
  const response = await makeBusy()(`${CONNECTION}/${transport}`)
  expect([response.status, response.headers.get('retry-after')]).toEqual([503, '3'])
})

it('Phoenix: 503 with Retry-After', async () => {
  const response = await makeBusy()(`${CONNECTION}/phoenix/websocket?vsn=2.0.0`, UPGRADE)
  expect([response.status, response.headers.get('retry-after')]).toEqual([503, '3'])
})

it('a WebSocket: close code 4003, with the time in its reason', async () => {
  const socket = (await makeBusy()(`${CONNECTION}/ws`, UPGRADE)).webSocket
  const closed = new Promise((resolve) =>
    socket?.addEventListener('close', ({ code, reason }) => resolve([code, reason])),
  )
  socket?.accept()
  expect(await closed).toEqual([4003, 'Many clients connect: come back in 2345 ms.'])
})

it.each([
  ['sse', {}],
  ['ndjson', {}],
  ['longpolling', {}],
  ['ws', UPGRADE],
  ['phoenix/websocket', UPGRADE],
])('what a request for %s has begun ends with its answer', async (path, headers) => {
  const { call, openings } = makeIsolate()
  const end = vi.spyOn(openings, 'end')
  const response = await call(`${CONNECTION}/${path}`, headers)
  await response.body?.cancel()
  response.webSocket?.accept()
  response.webSocket?.close()
  expect(end).toHaveBeenCalledTimes(1)
})
