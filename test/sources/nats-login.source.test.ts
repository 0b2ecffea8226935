// Every way to authenticate, with a real nats-server that wants it.
import { inject, describe, expect, it } from 'vitest'
import { parseConfig } from '../../src/config/parse-config.ts'
import { NatsSession } from '../../src/sources/nats/nats-session.ts'
import { streamsOf } from '../../src/sources/nats/jetstream-api.ts'

function sessionTo(port: number, variables: Readonly<Record<string, string>>): NatsSession {
  const config = parseConfig({ NATS_SERVERS: `127.0.0.1:${port}`, ...variables })
  if (!config.ok || config.value.nats === null) throw new Error(JSON.stringify(config))
  return new NatsSession(config.value.nats)
}

describe.each(inject('natsLogins'))('a server that wants $name', ({ port, variables }) => {
  it('takes Rigel, which has it', async () => {
    const session = sessionTo(port, variables)
    expect(await session.use(async (connection) => streamsOf(connection, 'orders'))).toEqual([])
    session.close()
  })

  it('refuses Rigel without it, and the error says why', async () => {
    const session = sessionTo(port, {})
    await expect(session.use(async () => true)).rejects.toThrow(
      /NATS: no connection to 127\.0\.0\.1:\d+: .*[Aa]uthoriz/,
    )
    session.close()
  })
})
