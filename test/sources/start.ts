// Vitest's global setup: the real servers that the contract of KafkaLog is run against; gone with the tests.
import { KinesisServer } from '../../scripts/sources/kinesis-server.ts'
import { NatsServer } from '../../scripts/sources/nats-server.ts'
import { KINESIS_PORT, NATS_PORT, NATS_WEBSOCKET_PORT } from './ports.ts'

export default async function startServers(): Promise<() => Promise<void>> {
  const kinesis = await KinesisServer.start(KINESIS_PORT)
  const nats = await NatsServer.start({ port: NATS_PORT, webSocketPort: NATS_WEBSOCKET_PORT })
  return async () => {
    await kinesis.stop()
    await nats.stop()
  }
}
