// What the tests of JetStream share: the server that test/sources/start.ts starts, and calls of its API.
import { env } from 'cloudflare:workers'
import { configOf } from '../../src/config/parse-config.ts'
import type { NatsConfig } from '../../src/config/sources/nats.ts'
import { NatsSession } from '../../src/sources/nats/nats-session.ts'

/** What createNatsLog needs besides its configuration. */
export const deps = { nowMs: () => Date.now(), random: () => Math.random(), warn: () => undefined }
export const bytes = (text: string) => new TextEncoder().encode(text)

/** As the variables of vitest.sources.config.ts say. */
export function natsConfig(): NatsConfig {
  const { nats } = configOf(env)
  if (nats === null) throw new Error('NATS_SERVERS is not set')
  return nats
}

/** A call of JetStream's API. Returns its answer. */
export async function api(call: string, body: object): Promise<unknown> {
  const session = new NatsSession(natsConfig())
  const answer = await session.use(async (connection) => connection.request(`$JS.API.${call}`, JSON.stringify(body)))
  session.close()
  return answer.json()
}

/** Returns the name of a new stream in memory. */
export async function createStream(subjects: readonly string[], name = `S${crypto.randomUUID()}`): Promise<string> {
  await api(`STREAM.CREATE.${name}`, { name, subjects, storage: 'memory' })
  return name
}
