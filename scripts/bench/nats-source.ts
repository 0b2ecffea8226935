// Following NATS beside its own client in Node: a backlog, and one event from a producer to a client. Needs Go, to build
// nats-server once. For sources.ts.
import type { AddressInfo } from 'node:net'
import { jetstream, jetstreamManager, type JetStreamClient } from '@nats-io/jetstream'
import { connect, type NatsConnection } from '@nats-io/transport-node'
import { WebSocketServer } from 'ws'
import { NatsServer } from '../sources/nats-server.ts'
import { figureOf, millisecondsOf, quick, type Figure } from './figure.ts'
import { NO_KAFKA, startFollowing } from './kafka-rig.ts'
import { backlogEvent, followAll, RECORD_BYTES } from './source-backlog.ts'
import { sourceLatency } from './source-latency.ts'

const NATS_PORT = 20_760
const NATS_RECORDS = quick ? 50_000 : 300_000

export async function nats(): Promise<readonly Figure[]> {
  const server = await NatsServer.start({ port: NATS_PORT })
  const connection = await connect({ servers: `127.0.0.1:${NATS_PORT}` })
  const client = jetstream(connection)
  const manager = await jetstreamManager(connection)
  for (const name of ['backlog', 'latency']) await manager.streams.add({ name, subjects: [name] })
  try {
    await fillNats(connection, client)
    const bare = await consumeNats(client)
    const rigel = await followAll(NATS_RECORDS, natsVariables('backlog'))
    const backlog = figureOf('a backlog of JetStream, beside its ordered consumer parsing messages', rigel, bare)
    return [backlog, ...(await natsLatency(client))]
  } finally {
    await connection.close()
    await server.stop()
  }
}

function natsVariables(subject: string): Readonly<Record<string, string>> {
  return { NATS_SERVERS: `127.0.0.1:${NATS_PORT}`, NATS_SOURCE_TOPICS: subject }
}

/** Not awaited one by one; the last one is, for the order of one connection is kept. */
async function fillNats(connection: NatsConnection, client: JetStreamClient): Promise<void> {
  const text = backlogEvent(RECORD_BYTES)
  for (let n = 1; n < NATS_RECORDS; n += 1) {
    connection.publish('backlog', text)
    if (n % 1_000 === 0) await connection.flush()
  }
  const { seq } = await client.publish('backlog', text)
  if (seq !== NATS_RECORDS) throw new Error(`JetStream has ${seq} records instead of ${NATS_RECORDS}`)
}

async function consumeNats(client: JetStreamClient): Promise<number> {
  const consumer = await client.consumers.get('backlog')
  const messages = await consumer.consume()
  let count = 0
  const ms = await millisecondsOf(async () => {
    for await (const message of messages) {
      message.json()
      count += 1
      if (count === NATS_RECORDS) break
    }
  })
  return (count / ms) * 1_000
}

async function natsLatency(client: JetStreamClient): Promise<readonly Figure[]> {
  const rig = await startFollowing(NO_KAFKA, 'latest', natsVariables('latency'))
  const sockets = new WebSocketServer({ port: 0, host: '127.0.0.1', perMessageDeflate: false })
  const consumer = await client.consumers.get('latency')
  const messages = await consumer.consume({
    callback: (message) => {
      for (const socket of sockets.clients) socket.send(message.string())
    },
  })
  const figures = await sourceLatency({
    name: 'JetStream to WebSocket, beside its ordered consumer and ws',
    rigelOrigin: rig.wsOrigin,
    bareUrl: `ws://127.0.0.1:${(sockets.address() as AddressInfo).port}`,
    send: (json) => client.publish('latency', json),
  })
  messages.stop()
  sockets.close()
  rig.stop()
  return figures
}
