// `npm run kafka`: a real Apache Kafka (KRaft) on this machine, for developers and tests; Java 17 is all it needs.
//   npm run kafka -- [--nodes 3] [--port 9092] [--partitions 4] [--sasl] [--dir folder] [--bridge folder]
// Ends on Ctrl-C, and forgets its data unless --dir was given. --bridge starts Strimzi's Kafka Bridge beside it, from the
// folder its release was unpacked to: Maven Central has no artifact of it that can be started.
import { spawn, type ChildProcess } from 'node:child_process'
import { existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { readCommandLine } from './command-line.ts'
import { startCluster } from './kafka/cluster.ts'
import { KAFKA_VERSION } from './kafka/distribution.ts'
import { user } from './kafka/properties.ts'

const { values } = readCommandLine(
  'npm run kafka -- [--nodes 3] [--port 9092] [--partitions 4] [--sasl] [--dir FOLDER] [--bridge FOLDER]',
  {
    options: {
      nodes: { type: 'string', default: '1' },
      port: { type: 'string', default: '9092' },
      partitions: { type: 'string', default: '4' },
      sasl: { type: 'boolean', default: false },
      dir: { type: 'string' },
      bridge: { type: 'string' },
    },
  },
)
const port = Number(values.port)
const bridgePort = port + 5

const cluster = await startCluster({
  nodes: Number(values.nodes),
  port,
  partitions: Number(values.partitions),
  sasl: values.sasl,
  folder: values.dir,
})
const bridge = values.bridge === undefined ? undefined : startBridge(values.bridge)
announce()

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, () => void end())
setInterval(() => undefined, 60_000)

async function end(): Promise<void> {
  bridge?.kill('SIGTERM')
  await cluster.stop()
  process.exit(0)
}

function startBridge(home: string): ChildProcess {
  const script = join(home, 'bin', 'kafka_bridge_run.sh')
  if (!existsSync(script)) throw new Error(`--bridge: ${script} is not there; unpack a release of strimzi-kafka-bridge`)
  const config = join(cluster.folder, 'bridge.properties')
  const lines = { 'bridge.id': 'rigel', 'kafka.bootstrap.servers': cluster.brokers.plain, 'http.port': bridgePort }
  writeFileSync(
    config,
    Object.entries(lines)
      .map(([key, value]) => `${key}=${value}\n`)
      .join(''),
  )
  return spawn(script, [`--config-file=${config}`], { stdio: 'inherit' })
}

function announce(): void {
  console.log(`\n  Kafka ${KAFKA_VERSION} is up.\n`)
  console.log(`  KAFKA_BROKERS=${cluster.brokers.plain}`)
  if (values.sasl) {
    console.log(`  KAFKA_BROKERS=${cluster.brokers.sasl} KAFKA_SASL=scram-sha-512:${user.username}:${user.password}`)
    console.log('  (or plain:…, scram-sha-256:…)')
  }
  if (bridge) console.log(`  KAFKA_REST_URL=http://127.0.0.1:${bridgePort}`)
  console.log(`  Data and logs    ${cluster.folder}`)
  console.log('  Stop             Ctrl-C')
  console.log('\n  With Docker instead:')
  console.log(
    `    docker run --rm -p 9092:9092 -e KAFKA_NUM_PARTITIONS=${values.partitions} apache/kafka:${KAFKA_VERSION}`,
  )
  console.log('    docker run --rm -p 8080:8080 quay.io/strimzi/kafka-bridge   # the bridge; config: docs/kafka.md\n')
}
