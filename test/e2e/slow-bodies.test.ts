// Clients on raw sockets that never finish a large body: they fill a part of the isolate, and events go on. Run: npm run test:e2e
import assert from 'node:assert/strict'
import { connect, type Socket } from 'node:net'
import { after, before, test } from 'node:test'
import { Rigel, until } from './rigel.ts'

const BODY_BYTES = 2_097_152
const CLIENTS = 40

let rigel: Rigel

before(async () => {
  rigel = await Rigel.start()
})

after(() => rigel.end())

class SlowClient {
  answer = ''
  readonly socket: Socket

  constructor(address: string) {
    this.socket = connect(rigel.port, 'localhost')
    this.socket.on('data', (chunk) => (this.answer += String(chunk)))
    // Rigel closes the connection of a body that it does not take.
    this.socket.on('error', () => undefined)
    this.socket.write(
      `PUT /_rig/v1/connection/sse/nobody/subscriptions HTTP/1.1\r\nHost: localhost\r\nCF-Connecting-IP: ${address}\r\n` +
        `Content-Type: application/json\r\nContent-Length: ${BODY_BYTES}\r\n\r\n`,
    )
    // All but the last byte.
    this.socket.write(Buffer.alloc(BODY_BYTES - 1, ' '))
  }

  get status(): number | undefined {
    const status = /^HTTP\/1\.1 (\d{3})/.exec(this.answer)?.[1]
    return status === undefined ? undefined : Number(status)
  }
}

function publish(): Promise<Response> {
  return fetch(`${rigel.origin}/_rig/v1/events`, {
    method: 'POST',
    headers: { 'content-type': 'application/cloudevents+json' },
    body: JSON.stringify({ specversion: '1.0', id: crypto.randomUUID(), source: '/test', type: 'greeting' }),
  })
}

void test('of many bodies that are never finished ten are read at most, others are told to come back, and events go on', async () => {
  const clients = Array.from({ length: CLIENTS }, (_, n) => new SlowClient(`192.0.2.${n}`))
  const count = (status: number | undefined) => clients.filter((client) => client.status === status).length
  await until('most are refused', () => count(503) >= CLIENTS - 10, 9_000)
  const refused = clients.find(({ status }) => status === 503)
  assert.match(refused?.answer ?? '', /retry-after: 2\r\n/i)
  assert.ok(count(undefined) >= 6, `${count(undefined)} are read`)
  assert.equal((await publish()).status, 202)
  // Who was let in and sends nothing more is given up after ten seconds, and then there is room.
  await until('the others are given up', () => count(undefined) === 0, 20_000)
  assert.equal(count(408) + count(503), CLIENTS)
  const next = new SlowClient('192.0.2.200')
  next.socket.write(' ')
  await until('a body is read again', () => next.status === 400)
  for (const { socket } of [...clients, next]) socket.destroy()
})
