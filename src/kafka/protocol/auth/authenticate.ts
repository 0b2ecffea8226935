// What every new connection begins with: which versions the broker speaks, and who we are (KIP-43, KIP-152). The messages
// of a mechanism are sasl.ts's.
import { apiVersions } from '../api/api-versions.ts'
import { saslAuthenticate, saslHandshake } from '../api/sasl.ts'
import type { Connection } from '../connection.ts'
import { AuthenticationError, throwIfError } from '../errors.ts'
import type { SaslMechanism } from './sasl.ts'

/** A connection that would be renewed only when its lifetime is over would end under a request. */
const RENEW_AT = 0.8

export interface Authentication {
  /** Null: the listener asks nobody. */
  readonly mechanism: SaslMechanism | null
  readonly timeoutMs: number
  readonly nowMs: () => number
}

export async function authenticate(
  connection: Connection,
  { mechanism, timeoutMs, nowMs }: Authentication,
): Promise<void> {
  const { errorCode, ranges } = await connection.send(apiVersions, null, timeoutMs)
  throwIfError(errorCode, 'asking which versions it speaks')
  connection.versions = ranges
  if (mechanism === null) return
  const handshake = await connection.send(saslHandshake, mechanism.name, timeoutMs)
  if (handshake.errorCode !== 0) {
    throw new AuthenticationError(
      `Kafka: the broker does not take ${mechanism.name}, it takes ${handshake.mechanisms.join(', ') || 'none'}`,
    )
  }
  const lifetimeMs = await exchange(connection, mechanism, timeoutMs)
  if (lifetimeMs > 0) connection.expiresAtMs = nowMs() + lifetimeMs * RENEW_AT
}

/** Answers the lifetime that the broker gives the connection, in milliseconds; 0: for ever. */
async function exchange(connection: Connection, mechanism: SaslMechanism, timeoutMs: number): Promise<number> {
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
