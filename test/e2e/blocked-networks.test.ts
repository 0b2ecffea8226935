// Networks that let a WebSocket's handshake pass, hold it back or cut it, with the client library in Node: events come by
// another transport. client.test.ts does it in Chromium, with a network that refuses the handshake. Run: npm run test:e2e
import assert from 'node:assert/strict'
import { createConnection, createServer, type AddressInfo, type Server, type Socket } from 'node:net'
import { after, before, test } from 'node:test'
import { connect } from '../../src/client/index.ts'
import { Rigel } from './rigel.ts'

/** What the network does to the answer of an upgrade, of which `head` are the bytes up to the first frame. */
type Block = (client: Socket, head: Buffer) => void

const BLOCKS: Readonly<Record<string, Block>> = {
  'lets no frame pass': (client, head) => client.write(head),
  'cuts the connection after the handshake': (client, head) => client.end(head),
  'does not answer the handshake': () => undefined,
  'resets the connection': (client) => client.resetAndDestroy(),
}

let rigel: Rigel

before(async () => {
  rigel = await Rigel.start()
})

after(() => rigel?.end())

for (const [what, block] of Object.entries(BLOCKS)) {
  void test(`a network that ${what} is passed by SSE`, { timeout: 120_000 }, async () => {
    const proxy = await startProxy(Number(new URL(rigel.origin).port), block)
    const url = `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`
    const connection = connect({ url, transports: ['websocket', 'sse'] })
    const transport = await new Promise((resolve) =>
      connection.on('rig.connection.create', () => resolve(connection.transport)),
    )
    connection.close()
    proxy.close()
    assert.equal(transport, 'sse')
  })
}

/** Passes everything on except the answers to upgrades. */
function startProxy(port: number, block: Block): Promise<Server> {
  const proxy = createServer((client) => {
    const server = createConnection(port, '127.0.0.1')
    let isUpgrade = false
    let answer = Buffer.alloc(0)
    // Not only the first request of a connection: clients keep connections.
    client.on('data', (bytes) => {
      isUpgrade ||= /^upgrade: websocket/im.test(bytes.toString('latin1'))
      server.write(bytes)
    })
    server.on('data', (bytes) => {
      if (!isUpgrade) return void client.write(bytes)
      const isAnswered = answer.includes('\r\n\r\n')
      answer = Buffer.concat([answer, bytes])
      const end = answer.indexOf('\r\n\r\n')
      if (!isAnswered && end >= 0) block(client, answer.subarray(0, end + 4))
    })
    for (const [one, other] of [
      [client, server],
      [server, client],
    ] as const) {
      one.on('error', () => other.destroy())
      one.on('close', () => other.destroy())
    }
  })
  return new Promise((resolve) => proxy.listen(0, '127.0.0.1', () => resolve(proxy)))
}
