// `npm run test:sources:contract`: the contract of KafkaLog over sources besides Kafka, in workerd, against real servers. What
// goes wrong with them is test/real-sources, which runs in Node.
import { cloudflareTest } from '@cloudflare/vitest-plugin'
import { defineConfig } from 'vitest/config'
import { copyWorkerConfig } from './test/setup/worker-config.ts'
import { KINESIS_PORT, NATS_PORT } from './test/sources/ports.ts'

const wrangler = { configPath: copyWorkerConfig() }
const bindings = {
  NATS_SERVERS: `127.0.0.1:${NATS_PORT}`,
  NATS_SOURCE_TOPICS: 'orders',
  KINESIS_ENABLED: 'true',
  KINESIS_ENDPOINT: `http://127.0.0.1:${KINESIS_PORT}`,
  AWS_ACCESS_KEY_ID: 'a-key-of-the-tests',
  AWS_SECRET_ACCESS_KEY: 'a-secret-of-the-tests',
}

export default defineConfig({
  test: {
    globalSetup: ['./test/sources/start.ts'],
    testTimeout: 30_000,
    expect: { poll: { timeout: 20_000 } },
    projects: [
      {
        plugins: [cloudflareTest({ wrangler, miniflare: { bindings } })],
        test: { name: 'real servers', include: ['test/sources/**/*.source.test.ts'] },
      },
    ],
  },
})
