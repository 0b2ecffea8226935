// Variables of NATS: the servers, credentials, the subjects that are followed, and whether by JetStream or by core
// NATS. NATS_SERVERS, NATS_SOURCE_TOPICS and NATSTOFILTER_QUEUE_GROUP are RIG's.
import * as z from 'zod'
import { NATS_SUBJECT, NATS_SUBJECT_RULE, topicOf } from '../../core/events/topic-source.ts'
import { isPrivateHost, list, show } from '../env-fields.ts'

const SCHEMES = ['nats', 'tls', 'ws', 'wss'] as const
const SERVER_RULE = 'must be host:port, or nats://, tls://, ws:// or wss:// and a host'

type Scheme = (typeof SCHEMES)[number]

interface NatsServer {
  readonly scheme: Scheme
  readonly host: string
  /** 4222 by TCP, 80 and 443 by WebSocket, unless the address names one. */
  readonly port: number
}

const DEFAULT_PORTS: Readonly<Record<Scheme, number>> = { nats: 4_222, tls: 4_222, ws: 80, wss: 443 }

const server = z.string().transform((address, context): NatsServer => {
  const [, scheme = 'nats', rest = ''] = /^(?:([a-z]+):\/\/)?(.*)$/i.exec(address) ?? []
  const known = SCHEMES.find((one) => one === scheme.toLowerCase())
  const url = URL.parse(`http://${rest}`)
  const isBare = url !== null && url.username === '' && url.password === '' && url.search === '' && url.pathname === '/'
  if (known !== undefined && isBare && /^[\w.[\]:-]+\/?$/.test(rest)) {
    const port = /:(\d+)\/?$/.exec(rest)?.[1]
    return { scheme: known, host: url.hostname, port: port === undefined ? DEFAULT_PORTS[known] : Number(port) }
  }
  // The text before an @ may be a password, so it is not repeated.
  const got = address.includes('@')
    ? ': credentials are in NATS_USERNAME and NATS_PASSWORD'
    : `, got "${show(address)}"`
  context.addIssue(`${SERVER_RULE}${got}`)
  return z.NEVER
})

const subject = z.string().regex(NATS_SUBJECT, NATS_SUBJECT_RULE)
const text = z.string().min(1).optional()

/** The variables of NATS, as zod schemas. */
export const natsVariables = {
  NATS_SERVERS: list.pipe(z.array(server)).default([]),
  NATS_SOURCE_TOPICS: list.pipe(z.array(subject)).default(['rig']),
  NATS_MODE: z.enum(['jetstream', 'core'], 'must be jetstream or core').default('jetstream'),
  NATSTOFILTER_QUEUE_GROUP: z
    .string()
    .regex(/^[\w.-]{1,200}$/, 'must be a name of letters, digits, "_", "." and "-"')
    .default('rig-nats-to-filter'),
  NATS_USERNAME: text,
  NATS_PASSWORD: text,
  NATS_TOKEN: text,
  NATS_CREDS: z
    .string()
    .includes('BEGIN USER NKEY SEED', 'must be the content of a .creds file, as nsc writes it')
    .optional(),
}

type Variables = z.infer<z.ZodObject<typeof natsVariables>> & { readonly PULL_MODE: string }

/** Returns the settings of NATS, or null if NATS_SERVERS is not set. */
export function toNats(v: Variables) {
  if (v.NATS_SERVERS.length === 0) return null
  return {
    servers: v.NATS_SERVERS,
    /** The followed subjects, as topics: `nats:orders`. */
    topics: v.NATS_SOURCE_TOPICS.map((name) => topicOf({ kind: 'nats', name })),
    /** `core` loses what is published while no follower is connected. */
    mode: v.NATS_MODE,
    /** The queue group of core NATS. */
    queueGroup: v.NATSTOFILTER_QUEUE_GROUP,
    username: v.NATS_USERNAME ?? null,
    password: v.NATS_PASSWORD ?? null,
    token: v.NATS_TOKEN ?? null,
    /** The content of a credentials file: a JWT and the seed of its key. */
    creds: v.NATS_CREDS ?? null,
  }
}

/** Where the NATS servers are, and how Rigel authenticates to them. */
export type NatsConfig = NonNullable<ReturnType<typeof toNats>>

/** Returns a problem for each combination of variables that cannot work. */
export function natsContradictions(v: Variables): readonly string[] {
  const problems: string[] = []
  if (v.NATS_SERVERS.length === 0) {
    const needy = ['NATS_USERNAME', 'NATS_PASSWORD', 'NATS_TOKEN', 'NATS_CREDS'] as const
    return needy.filter((name) => v[name] !== undefined).map((name) => `${name}: needs NATS_SERVERS`)
  }
  const kinds = new Set(v.NATS_SERVERS.map(({ scheme }) => (scheme === 'ws' || scheme === 'wss' ? 'WebSocket' : 'TCP')))
  if (kinds.size > 1) problems.push('NATS_SERVERS: must all be reached by TCP, or all by WebSocket')
  if (new Set(v.NATS_SERVERS.map(({ scheme }) => scheme === 'tls')).size > 1)
    problems.push('NATS_SERVERS: must all be tls://, or none')
  if (Boolean(v.NATS_USERNAME) !== Boolean(v.NATS_PASSWORD))
    problems.push('NATS_USERNAME: needs NATS_PASSWORD, and NATS_PASSWORD needs NATS_USERNAME')
  const ways = [v.NATS_USERNAME, v.NATS_TOKEN, v.NATS_CREDS].filter((one) => one !== undefined)
  if (ways.length > 1) problems.push('NATS_USERNAME: set one of NATS_USERNAME, NATS_TOKEN and NATS_CREDS')
  // Not NATS_CREDS: the client signs a nonce, so an eavesdropper gets nothing that can be used again.
  const isReadable = (v.NATS_USERNAME ?? v.NATS_TOKEN) !== undefined
  const exposed = v.NATS_SERVERS.find(
    ({ host, scheme }) => (scheme === 'nats' || scheme === 'ws') && !isPrivateHost(host),
  )
  if (isReadable && exposed !== undefined) {
    problems.push('NATS_SERVERS: must be tls:// or wss://, or everybody on the way could read the credentials')
  }
  if (v.NATS_MODE === 'core' && v.PULL_MODE === 'scheduled') {
    problems.push('NATS_MODE: core needs PULL_MODE=continuous: messages published between two runs would be lost')
  }
  return problems
}
