// Creates the SASL mechanism from the configuration. Called by create-cluster.ts, and by `npm run doctor`, which has other sockets.
import type { BrokersConfig } from '../config/kafka-brokers.ts'
import { fetchToken, signMskToken } from './protocol/auth/oauth.ts'
import { oauthBearer, plain, scram, type SaslMechanism } from './protocol/auth/sasl.ts'

/** Returns null if no SASL mechanism is configured. */
export function createSaslMechanism({ sasl, oauth, aws }: BrokersConfig, nowMs: () => number): SaslMechanism | null {
  switch (sasl?.mechanism) {
    case undefined:
      return null
    case 'plain':
      return plain(sasl)
    case 'scram-sha-256':
      return scram('SHA-256', sasl, randomBytes)
    case 'scram-sha-512':
      return scram('SHA-512', sasl, randomBytes)
    case 'oauthbearer':
      return oauthBearer(() => fetchToken(oauth, fetch))
    case 'aws-msk-iam':
      return oauthBearer(() => signMskToken(aws, nowMs()))
  }
}

function randomBytes(count: number): Uint8Array {
  return crypto.getRandomValues(new Uint8Array(count))
}
