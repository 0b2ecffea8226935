// Vitest's global setup: the real servers that the contract of KafkaLog is run against; gone with the tests. Tests get the
// ways to authenticate by `inject('natsLogins')`.
import type { TestProject } from 'vitest/node'
import { KinesisServer } from '../../scripts/sources/kinesis-server.ts'
import { creds, password, token } from '../../scripts/sources/nats-credentials.ts'
import { NatsServer } from '../../scripts/sources/nats-server.ts'
import { KINESIS_PORT, NATS_LOGIN_PORT, NATS_PORT, NATS_WEBSOCKET_PORT } from './ports.ts'

export default async function startServers(project: TestProject): Promise<() => Promise<void>> {
  const kinesis = await KinesisServer.start(KINESIS_PORT)
  const open = await NatsServer.start({ port: NATS_PORT, webSocketPort: NATS_WEBSOCKET_PORT })
  const logins = { password, token, creds: await creds() }
  const closed = await Promise.all(
    Object.values(logins).map(({ config }, n) => NatsServer.start({ port: NATS_LOGIN_PORT + n, config })),
  )
  project.provide(
    'natsLogins',
    Object.entries(logins).map(([name, { variables }], n) => ({ name, port: NATS_LOGIN_PORT + n, variables })),
  )
  return async () => {
    await kinesis.stop()
    for (const server of [open, ...closed]) await server.stop()
  }
}
