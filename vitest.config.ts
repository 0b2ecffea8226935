// Two layers: what is pure runs in Node (`*.pure.test.ts` and test/core), what needs Workers runs in workerd. Both with `npm test`.
import { cloudflareTest } from '@cloudflare/vitest-plugin'
import { defineConfig } from 'vitest/config'

const pure = ['test/core/**/*.test.ts', 'test/**/*.pure.test.ts']

export default defineConfig({
  test: {
    globalSetup: ['./test/upstream/start.ts', './test/kafka/start-bridges.ts'],
    // Its default leaves a core to itself: of two, that is half.
    maxWorkers: '100%',
    projects: [
      // Pure: there is nothing that one file could leave to another.
      { test: { name: 'pure', include: pure, isolate: false } },
      {
        plugins: [
          cloudflareTest(({ inject }) => ({
            wrangler: { configPath: './wrangler.toml' },
            miniflare: {
              bindings: {
                SHARDS: '3',
                KAFKA_PARTITIONS: '4',
                SUBMISSION_CHECK: 'no_check',
                JWT_SECRET_KEY: 'a test secret of 32 bytes or more',
                INTERNAL_TOKEN: 'an-internal-token-of-the-tests',
                METADATA_INDEXES: 'device',
                PRIVILEGED_ROLES: 'support',
                PRESENCE_CLAIMS: 'username',
                RECIPIENTS: '{"*":"/data/recipients"}',
                EXTRACTORS: JSON.stringify({
                  greeting: {
                    name: {
                      stable_field_index: 0,
                      event: { json_pointer: '/data/name' },
                      jwt: { json_pointer: '/username' },
                    },
                  },
                  booking: {
                    hotel: { stable_field_index: 0, event: { json_pointer: '/data/hotel' } },
                    room: { stable_field_index: 1, event: { json_pointer: '/data/room' } },
                  },
                }),
                KAFKA_USERNAME: 'rigel',
                KAFKA_PASSWORD: 'test',
                LONGPOLLING_WAIT_SECONDS: '1',
                KAFKA_SCHEMA_REGISTRY_URL: `http://127.0.0.1:${String(inject('registryPort'))}/main`,
              },
            },
          })),
        ],
        test: {
          name: 'workerd',
          include: ['test/**/*.test.ts'],
          exclude: [...pure, 'test/e2e/**', 'test/real-kafka/**', 'test/**/*.kafka.test.ts'],
        },
      },
    ],
  },
})
