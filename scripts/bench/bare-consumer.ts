// The least that carries Kafka to a WebSocket: a kafkajs consumer that writes each value to every socket. For kafka-latency.ts.
//   node scripts/bench/bare-consumer.ts brokers topic    prints its port when it is following
import type { AddressInfo } from 'node:net'
import { Kafka, logLevel } from 'kafkajs'
import { WebSocketServer } from 'ws'

const [brokers = '', topic = ''] = process.argv.slice(2)
const server = new WebSocketServer({ port: 0, host: '127.0.0.1', perMessageDeflate: false })
const consumer = new Kafka({ brokers: brokers.split(','), logLevel: logLevel.NOTHING }).consumer({ groupId: 'bare' })
const { GROUP_JOIN } = consumer.events
consumer.on(GROUP_JOIN, () => console.log((server.address() as AddressInfo).port))
await consumer.connect()
await consumer.subscribe({ topic })
await consumer.run({
  eachMessage: async ({ message }) => {
    const text = String(message.value)
    for (const socket of server.clients) socket.send(text)
  },
})
