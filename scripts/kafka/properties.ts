// The configuration of one node of the test cluster: broker and controller in one process (KRaft). Pure. Ports of node n
// are counted from `port + 10 * (n - 1)`. Called by cluster.ts.

export const user = { username: 'rigel', password: 'rigel-secret' }

export interface ClusterShape {
  readonly nodes: number
  readonly port: number
  /** Of topics that are made by being used. */
  readonly partitions: number
  /** A listener that asks who is there, on the next port: PLAIN, SCRAM-SHA-256, SCRAM-SHA-512 and (unsigned) OAUTHBEARER. */
  readonly sasl: boolean
  /** PKCS12 key store of a TLS listener, with SASL, on the port after that. */
  readonly tls?: { readonly keyStore: string; readonly password: string } | undefined
}

export const portsOf = (shape: ClusterShape, node: number) => {
  const base = shape.port + 10 * (node - 1)
  return { plain: base, sasl: base + 1, tls: base + 2, controller: base + 9 }
}

export function nodeProperties(shape: ClusterShape, node: number, dataFolder: string): string {
  const copies = Math.min(3, shape.nodes)
  const everyNode = Array.from({ length: shape.nodes }, (_, index) => index + 1)
  return Object.entries({
    'process.roles': 'broker,controller',
    'node.id': node,
    'controller.quorum.voters': everyNode.map((n) => `${n}@127.0.0.1:${portsOf(shape, n).controller}`).join(','),
    'controller.listener.names': 'CONTROLLER',
    'inter.broker.listener.name': 'PLAINTEXT',
    'listener.security.protocol.map':
      'CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,SASL_PLAINTEXT:SASL_PLAINTEXT,SASL_SSL:SASL_SSL',
    ...listeners(shape, node),
    'log.dirs': dataFolder,
    'num.partitions': shape.partitions,
    'default.replication.factor': copies,
    'min.insync.replicas': Math.max(1, copies - 1),
    'offsets.topic.replication.factor': copies,
    'offsets.topic.num.partitions': 1,
    'transaction.state.log.replication.factor': copies,
    'transaction.state.log.min.isr': Math.max(1, copies - 1),
    'transaction.state.log.num.partitions': 1,
    'share.coordinator.state.topic.replication.factor': copies,
    'share.coordinator.state.topic.min.isr': 1,
    // Not what one runs in production: housekeeping within seconds, so that a test can see it.
    'log.retention.check.interval.ms': 500,
    'log.initial.task.delay.ms': 500,
    'log.segment.delete.delay.ms': 500,
    'log.cleaner.backoff.ms': 500,
    'group.initial.rebalance.delay.ms': 0,
    'controlled.shutdown.enable': true,
    'broker.session.timeout.ms': 3_000,
    'broker.heartbeat.interval.ms': 500,
  })
    .map(([key, value]) => `${key}=${value}\n`)
    .join('')
}

function listeners(shape: ClusterShape, node: number): Record<string, string> {
  const ports = portsOf(shape, node)
  const open = [`PLAINTEXT://127.0.0.1:${ports.plain}`]
  const settings: Record<string, string> = {}
  if (shape.sasl) {
    open.push(`SASL_PLAINTEXT://127.0.0.1:${ports.sasl}`)
    Object.assign(settings, mechanisms('sasl_plaintext'))
  }
  if (shape.tls) {
    // By name: certificates for it are checked like anybody's.
    open.push(`SASL_SSL://localhost:${ports.tls}`)
    Object.assign(settings, mechanisms('sasl_ssl'), {
      'listener.name.sasl_ssl.ssl.keystore.type': 'PKCS12',
      'listener.name.sasl_ssl.ssl.keystore.location': shape.tls.keyStore,
      'listener.name.sasl_ssl.ssl.keystore.password': shape.tls.password,
    })
  }
  return {
    listeners: [...open, `CONTROLLER://127.0.0.1:${ports.controller}`].join(','),
    'advertised.listeners': open.join(','),
    ...settings,
  }
}

function mechanisms(listener: string): Record<string, string> {
  const login = 'org.apache.kafka.common.security'
  const jaas = (mechanism: string, module: string, options = '') => ({
    [`listener.name.${listener}.${mechanism}.sasl.jaas.config`]: `${login}.${module} required${options};`,
  })
  return {
    [`listener.name.${listener}.sasl.enabled.mechanisms`]: 'PLAIN,SCRAM-SHA-256,SCRAM-SHA-512,OAUTHBEARER',
    ...jaas('plain', 'plain.PlainLoginModule', ` user_${user.username}="${user.password}"`),
    ...jaas('scram-sha-256', 'scram.ScramLoginModule'),
    ...jaas('scram-sha-512', 'scram.ScramLoginModule'),
    ...jaas('oauthbearer', 'oauthbearer.OAuthBearerLoginModule', ' unsecuredLoginStringClaim_sub="rigel"'),
  }
}
