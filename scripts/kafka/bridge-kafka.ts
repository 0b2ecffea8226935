// `npm run kafka:bridge`: the stand-in bridge (bridge.ts) in front of a real Kafka, such as that of `npm run kafka`.
//   npm run kafka:bridge -- [--dialect redpanda|confluent|karapace|strimzi] [--port 8082] [--brokers 127.0.0.1:9092]
// Ends on Ctrl-C.
import { exit, readCommandLine } from '../command-line.ts'
import type { BridgeDialect } from './bridge-options.ts'
import { createBridge } from './bridge.ts'
import { KafkaBackend } from './kafka-backend.ts'

const DIALECTS: readonly BridgeDialect[] = ['redpanda', 'confluent', 'karapace', 'strimzi']

const { values } = readCommandLine(
  'npm run kafka:bridge -- [--dialect redpanda|confluent|karapace|strimzi] [--port 8082] [--brokers 127.0.0.1:9092]',
  {
    options: {
      dialect: { type: 'string', default: 'strimzi' },
      port: { type: 'string', default: '8082' },
      brokers: { type: 'string', default: '127.0.0.1:9092' },
    },
  },
)
const dialect = DIALECTS.find((one) => one === values.dialect)
if (dialect === undefined) exit(`--dialect: must be one of ${DIALECTS.join(', ')}, got "${values.dialect}"`)

const backend = await KafkaBackend.connect(values.brokers.split(','))
const { port } = await createBridge(backend, { dialect, port: Number(values.port) })
console.log(`A stand-in for ${dialect}, before ${values.brokers}:\n\n  KAFKA_REST_URL=http://127.0.0.1:${port}\n`)
setInterval(() => undefined, 60_000)
