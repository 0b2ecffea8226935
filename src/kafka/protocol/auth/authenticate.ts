// The first requests on every new connection: ApiVersions, then SASL authentication (KIP-43, KIP-152). Called by
// connection-pool.ts. The messages of each mechanism are in sasl.ts.
import { apiVersions } from '../api/api-versions.ts'
import { saslAuthenticate, saslHandshake } from '../api/sasl.ts'
import type { BrokerConnection } from '../connection.ts'
import { AuthenticationError, throwIfError } from '../errors.ts'
import type { SaslMechanism } from './sasl.ts'

/** Share of its lifetime after which a connection is replaced: one that expires during a request would fail it. */
const RENEW_AT = 0.8

/** How to authenticate each connection. */
export interface AuthenticationOptions {
  /** Null if the listener needs no authentication. */
  readonly mechanism: SaslMechanism | null
  readonly timeoutMs: number
  readonly nowMs: () => number
}

/** Throws an AuthenticationError if the broker refuses the mechanism or the credentials. */
export async function authenticate(
  connection: BrokerConnection,
  { mechanism, timeoutMs, nowMs }: AuthenticationOptions,
): Promise<void> {
  const { errorCode, ranges } = await connection.send(apiVersions, null, timeoutMs)
  throwIfError(errorCode, 'asking for the supported API versions')
  connection.versions = ranges
  if (mechanism === null) return
  const handshake = await connection.send(saslHandshake, mechanism.name, timeoutMs)
  if (handshake.errorCode !== 0) {
    throw new AuthenticationError(
      `Kafka: the broker does not accept ${mechanism.name}, only ${handshake.mechanisms.join(', ') || 'no mechanism'}`,
    )
  }
  const lifetimeMs = await exchange(connection, mechanism, timeoutMs)
  if (lifetimeMs > 0) connection.expiresAtMs = nowMs() + lifetimeMs * RENEW_AT
}

/** Returns the session lifetime in milliseconds (KIP-368). 0 means no limit. */
async function exchange(connection: BrokerConnection, mechanism: SaslMechanism, timeoutMs: number): Promise<number> {
  const dialogue = mechanism.begin()
  let challenge = new Uint8Array()
  let lifetimeMs = 0
  for (;;) {
    const message = await dialogue(challenge)
    if (message === null) return lifetimeMs
    const answer = await connection.send(saslAuthenticate, message, timeoutMs)
    if (answer.errorCode !== 0) {
      throw new AuthenticationError(`Kafka: ${mechanism.name}: ${answer.message ?? `refused with ${answer.errorCode}`}`)
    }
    challenge = new Uint8Array(answer.bytes)
    lifetimeMs = answer.lifetimeMs
  }
}
