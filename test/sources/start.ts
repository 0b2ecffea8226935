// Vitest's global setup: the real servers that the contract of KafkaLog is run against; gone with the tests.
import { NatsServer } from '../../scripts/sources/nats-server.ts'
import { NATS_PORT, NATS_WEBSOCKET_PORT } from './ports.ts'

export default async function startServers(): Promise<() => Promise<void>> {
  const nats = await NatsServer.start({ port: NATS_PORT, webSocketPort: NATS_WEBSOCKET_PORT })
  return () => nats.stop()
}
