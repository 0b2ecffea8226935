// Variables of Kafka by its own protocol: the brokers, TLS, and SASL. RIG's variables, and more SASL mechanisms.
import * as z from 'zod'
import { exposesSecrets, flag, HTTPS_RULE, isPrivateHost, list, serviceUrl, show } from './env-fields.ts'

const MECHANISMS =
  'plain:user:password, scram-sha-256:user:password, scram-sha-512:user:password, oauthbearer or aws-msk-iam'

type Sasl =
  | {
      readonly mechanism: 'plain' | 'scram-sha-256' | 'scram-sha-512'
      readonly username: string
      readonly password: string
    }
  | { readonly mechanism: 'oauthbearer' | 'aws-msk-iam' }

const broker = z.string().transform((address, context) => {
  const colon = address.lastIndexOf(':')
  const host = address.slice(0, Math.max(0, colon))
  const port = Number(address.slice(colon + 1))
  if (/^(\[[\da-f:]+\]|[\w.-]+)$/i.test(host) && Number.isInteger(port) && port > 0 && port <= 65_535)
    return { host, port }
  // The text before an @ may be a password, so it is not repeated.
  const got = address.includes('@') ? '' : `, got "${show(address)}"`
  context.addIssue(`must be host:port, as in broker-1.example.com:9092${got}`)
  return z.NEVER
})

/** A password may contain colons. */
const sasl = z.string().transform((text, context): Sasl => {
  const [, mechanism = '', , username, password] = /^([^:]+)(:([^:]+):(.+))?$/s.exec(text) ?? []
  const name = mechanism.toLowerCase()
  if (name === 'oauthbearer' || name === 'aws-msk-iam') {
    if (username === undefined) return { mechanism: name }
  } else if (name === 'plain' || name === 'scram-sha-256' || name === 'scram-sha-512') {
    if (username !== undefined && password !== undefined) return { mechanism: name, username, password }
  }
  context.addIssue(`must be ${MECHANISMS}`)
  return z.NEVER
})

const text = z.string().min(1).optional()

/** The variables of Kafka by its own protocol, as zod schemas. */
export const brokersVariables = {
  KAFKA_BROKERS: list.pipe(z.array(broker)).default([]),
  KAFKA_SSL_ENABLED: flag,
  KAFKA_VPC_NETWORK: text,
  KAFKA_SASL: sasl.optional(),
  KAFKA_COMPRESSION: z.enum(['none', 'gzip', 'zstd'], 'must be none, gzip or zstd').default('none'),
  KAFKA_PARTITIONER: z.enum(['kafka', 'rig'], 'must be kafka or rig').optional(),
  KAFKA_GROUP_ID: text,
  KAFKA_OAUTH_TOKEN_URL: serviceUrl('https://id.example.com/oauth/token').optional(),
  KAFKA_OAUTH_CLIENT_ID: text,
  KAFKA_OAUTH_CLIENT_SECRET: text,
  KAFKA_OAUTH_SCOPE: text,
  AWS_REGION: text,
  AWS_ACCESS_KEY_ID: text,
  AWS_SECRET_ACCESS_KEY: text,
  AWS_SESSION_TOKEN: text,
}

type Variables = z.infer<z.ZodObject<typeof brokersVariables>>

/** Returns the settings of the brokers, or null if KAFKA_BROKERS is not set. */
export function toBrokers(v: Variables) {
  if (v.KAFKA_BROKERS.length === 0) return null
  return {
    bootstrap: v.KAFKA_BROKERS,
    tls: v.KAFKA_SSL_ENABLED,
    /** Name of the `vpc_networks` binding that leads to the brokers; null: they have public addresses. */
    vpcNetwork: v.KAFKA_VPC_NETWORK ?? null,
    sasl: v.KAFKA_SASL ?? null,
    compression: v.KAFKA_COMPRESSION,
    /** The hash by which the partition of a key is chosen. */
    partitioner: v.KAFKA_PARTITIONER ?? 'kafka',
    oauth: {
      tokenUrl: v.KAFKA_OAUTH_TOKEN_URL ?? '',
      clientId: v.KAFKA_OAUTH_CLIENT_ID ?? '',
      clientSecret: v.KAFKA_OAUTH_CLIENT_SECRET ?? '',
      scope: v.KAFKA_OAUTH_SCOPE ?? null,
    },
    aws: {
      region: v.AWS_REGION ?? '',
      accessKeyId: v.AWS_ACCESS_KEY_ID ?? '',
      secretAccessKey: v.AWS_SECRET_ACCESS_KEY ?? '',
      sessionToken: v.AWS_SESSION_TOKEN ?? null,
    },
  }
}

/** Where the brokers are, and how Rigel authenticates to them. */
export type BrokersConfig = NonNullable<ReturnType<typeof toBrokers>>

const NEEDED = {
  oauthbearer: ['KAFKA_OAUTH_TOKEN_URL', 'KAFKA_OAUTH_CLIENT_ID', 'KAFKA_OAUTH_CLIENT_SECRET'],
  'aws-msk-iam': ['AWS_REGION', 'AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY'],
} as const

/** RIG's variables for features that the sockets of Workers do not have. */
const IMPOSSIBLE = ['KAFKA_SSL_CA_CERTFILE', 'KAFKA_SSL_CERTFILE', 'KAFKA_SSL_KEYFILE', 'KAFKA_SSL_KEYFILE_PASS']

/** Returns a problem for each combination of variables that cannot work. `env` is everything that is set. */
export function brokersContradictions(v: Variables, env: object): readonly string[] {
  const problems: string[] = []
  const mechanism = v.KAFKA_SASL?.mechanism
  if (v.KAFKA_BROKERS.length === 0 && mechanism) problems.push('KAFKA_SASL: needs KAFKA_BROKERS')
  if (v.KAFKA_BROKERS.length === 0 && v.KAFKA_GROUP_ID) problems.push('KAFKA_GROUP_ID: needs KAFKA_BROKERS')
  if (v.KAFKA_BROKERS.length === 0 && v.KAFKA_PARTITIONER) problems.push('KAFKA_PARTITIONER: needs KAFKA_BROKERS')
  if (mechanism === 'oauthbearer' || mechanism === 'aws-msk-iam') {
    const missing = NEEDED[mechanism].filter((name) => !v[name])
    if (missing.length > 0) problems.push(`KAFKA_SASL: ${mechanism} needs ${missing.join(', ')}`)
  }
  if (mechanism === 'aws-msk-iam' && !v.KAFKA_SSL_ENABLED) {
    problems.push('KAFKA_SASL: aws-msk-iam needs KAFKA_SSL_ENABLED: MSK takes it with TLS only')
  }
  // A private network is a tunnel that Cloudflare encrypts.
  const isReadable = (mechanism === 'plain' || mechanism === 'oauthbearer') && v.KAFKA_VPC_NETWORK === undefined
  if (isReadable && !v.KAFKA_SSL_ENABLED && v.KAFKA_BROKERS.some(({ host }) => !isPrivateHost(host))) {
    problems.push(
      `KAFKA_SASL: ${mechanism} needs KAFKA_SSL_ENABLED, or everybody on the way could read the credentials`,
    )
  }
  if (v.KAFKA_OAUTH_TOKEN_URL && exposesSecrets(v.KAFKA_OAUTH_TOKEN_URL)) {
    problems.push(`KAFKA_OAUTH_TOKEN_URL: ${HTTPS_RULE}`)
  }
  const variables = env as Readonly<Record<string, unknown>>
  problems.push(...networkContradictions(v, variables))
  for (const name of IMPOSSIBLE.filter((one) => Boolean(variables[one]))) {
    problems.push(
      `${name}: Workers know public certificate authorities only, and no client certificates; unset it, and use KAFKA_SSL_ENABLED with KAFKA_SASL`,
    )
  }
  return problems
}

function networkContradictions(v: Variables, variables: Readonly<Record<string, unknown>>): readonly string[] {
  const name = v.KAFKA_VPC_NETWORK
  if (name === undefined) return []
  const binding = variables[name]
  const problems: string[] = []
  if (v.KAFKA_BROKERS.length === 0) problems.push('KAFKA_VPC_NETWORK: needs KAFKA_BROKERS')
  if (v.KAFKA_SSL_ENABLED) {
    problems.push(
      'KAFKA_VPC_NETWORK: cannot be used with KAFKA_SSL_ENABLED: a VPC network carries plaintext only, and encrypts it itself',
    )
  }
  if (typeof binding !== 'object' || binding === null || !('connect' in binding)) {
    problems.push(
      `KAFKA_VPC_NETWORK: must name a vpc_networks binding of wrangler.toml, and there is none called ${show(name)}`,
    )
  }
  return problems
}
