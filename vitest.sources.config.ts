// `npm run test:sources:contract`: the contract of KafkaLog over sources besides Kafka, in workerd, against real servers. What
// goes wrong with them is test/real-sources, which runs in Node.
import { cloudflareTest } from '@cloudflare/vitest-plugin'
import { defineConfig } from 'vitest/config'
import { copyWorkerConfig } from './test/setup/worker-config.ts'
import { NATS_PORT } from './test/sources/ports.ts'

const wrangler = { configPath: copyWorkerConfig() }
const bindings = { NATS_SERVERS: `127.0.0.1:${NATS_PORT}`, NATS_SOURCE_TOPICS: 'orders' }

export default defineConfig({
  test: {
    globalSetup: ['./test/sources/start.ts'],
    testTimeout: 30_000,
    projects: [
      {
        plugins: [cloudflareTest({ wrangler, miniflare: { bindings } })],
        test: { name: 'real servers', include: ['test/sources/**/*.source.test.ts'] },
      },
    ],
  },
})
