// Ways to authenticate to a nats-server, as its configuration and as Rigel's variables: for the tests of test/sources.
import { encodeAccount, encodeOperator, encodeUser, fmtCreds } from '@nats-io/jwt'
import { createAccount, createOperator, createUser } from '@nats-io/nkeys'

export interface NatsLogin {
  /** Lines of the server's configuration. */
  readonly config: string
  readonly variables: Readonly<Record<string, string>>
}

export const password: NatsLogin = {
  config: 'authorization { user: rigel, password: "a password" }',
  variables: { NATS_USERNAME: 'rigel', NATS_PASSWORD: 'a password' },
}

export const token: NatsLogin = {
  config: 'authorization { token: "a token" }',
  variables: { NATS_TOKEN: 'a token' },
}

const UNLIMITED = { mem_storage: -1, disk_storage: -1, streams: -1, consumer: -1 }
const OPEN = { conn: -1, subs: -1, data: -1, payload: -1, imports: -1, exports: -1, leaf: -1, wildcards: true }

/** A JWT of an operator's account and user, and the seed of the user's key, as `nsc` makes them. */
export async function creds(): Promise<NatsLogin> {
  const [operator, system, account, user] = [createOperator(), createAccount(), createAccount(), createUser()]
  const operatorJwt = await encodeOperator('O', operator, { system_account: system.getPublicKey() })
  const systemJwt = await encodeAccount('SYS', system, {}, { signer: operator })
  const accountJwt = await encodeAccount('A', account, { limits: { ...OPEN, ...UNLIMITED } }, { signer: operator })
  const userJwt = await encodeUser('rigel', user, account, {})
  return {
    config: [
      `operator: ${operatorJwt}`,
      `system_account: ${system.getPublicKey()}`,
      'resolver: MEMORY',
      `resolver_preload { ${system.getPublicKey()}: ${systemJwt}, ${account.getPublicKey()}: ${accountJwt} }`,
    ].join('\n'),
    variables: { NATS_CREDS: new TextDecoder().decode(fmtCreds(userJwt, user)) },
  }
}
