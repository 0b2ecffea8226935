// `npm run registry`: a real schema registry (Apicurio, which speaks Confluent's REST) on this machine, for developers and
// tests; Java 17 is all it needs. Keeps schemas in memory.
//   npm run registry -- [--port 8081]
// Ends on Ctrl-C.
import { readCommandLine } from './command-line.ts'
import { startRegistry } from './registry/apicurio.ts'

const { values } = readCommandLine('npm run registry -- [--port 8081]', {
  options: { port: { type: 'string', default: '8081' } },
})
const registry = await startRegistry(Number(values.port))
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, () => process.exit(0))
process.once('exit', () => registry.stop())
console.log(`KAFKA_SCHEMA_REGISTRY_URL=${registry.url}`)
