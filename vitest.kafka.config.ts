// `npm run test:kafka:contract`: the contract of KafkaLog over every adapter, in workerd, one of them against a real
// Kafka. What goes wrong with one is test/real-kafka, which runs in Node.
import { cloudflareTest } from '@cloudflare/vitest-plugin'
import { defineConfig } from 'vitest/config'
import { copyWorkerConfig } from './test/setup/worker-config.ts'
import { KAFKA_PORT } from './test/real-kafka/port.ts'

const wrangler = { configPath: copyWorkerConfig() }
const common = { KAFKA_PARTITIONS: '4', KAFKA_USERNAME: 'rigel', KAFKA_PASSWORD: 'test' }

export default defineConfig({
  test: {
    globalSetup: ['./test/real-kafka/start.ts', './test/kafka/start-bridges.ts'],
    testTimeout: 30_000,
    expect: { poll: { timeout: 20_000 } },
    projects: [
      {
        plugins: [cloudflareTest({ wrangler, miniflare: { bindings: common } })],
        test: {
          name: 'no Kafka needed',
          include: ['test/kafka/**/*.test.ts'],
          exclude: [
            'test/kafka/**/*.kafka.test.ts',
            'test/kafka/**/*.pure.test.ts',
            // Publishes through the Worker, with the settings of vitest.config.ts: part of `npm test`.
            'test/kafka/rest/idempotency.test.ts',
          ],
        },
      },
      {
        plugins: [
          cloudflareTest({
            wrangler,
            miniflare: { bindings: { ...common, KAFKA_BROKERS: `127.0.0.1:${KAFKA_PORT}` } },
          }),
        ],
        test: { name: 'a real Kafka', include: ['test/kafka/**/*.kafka.test.ts'] },
      },
    ],
  },
})
