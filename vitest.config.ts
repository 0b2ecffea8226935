// Two layers: what is pure runs in Node (`*.pure.test.ts` and test/core), what needs Workers runs in workerd. Both with `npm test`.
import { cloudflareTest } from '@cloudflare/vitest-plugin'
import { defineConfig } from 'vitest/config'
import { copyWorkerConfig } from './test/setup/worker-config.ts'

const pure = ['test/core/**/*.test.ts', 'test/**/*.pure.test.ts']

const configPath = copyWorkerConfig()
const setupFiles = ['./test/setup/console.ts']

export default defineConfig({
  test: {
    globalSetup: [
      './test/setup/runtime-output.ts',
      './test/setup/client.ts',
      './test/upstream/start.ts',
      './test/kafka/start-bridges.ts',
    ],
    // Its output is a page: a dot a test, and what is wrong.
    reporters: ['dot'],
    experimental: { diagnostics: { isolate: false } },
    // Its default of 5 seconds is short on a machine that does other work.
    testTimeout: 30_000,
    hookTimeout: 30_000,
    // By default a second, which is for what is slow and not for what never comes. test/support/eventually.ts has the same.
    expect: { poll: { timeout: 20_000 } },
    // Workers spend half of their time waiting for modules: on two cores four of them take two thirds of the time of two.
    maxWorkers: 4,
    projects: [
      // Pure: there is nothing that one file could leave to another.
      { test: { name: 'pure', include: pure, isolate: false, setupFiles } },
      {
        // Vite warns of source maps without sources: @nats-io/nats-core has such.
        logLevel: 'error',
        plugins: [
          cloudflareTest(({ inject }) => ({
            wrangler: { configPath },
            miniflare: {
              bindings: {
                SHARDS: '3',
                KAFKA_PARTITIONS: '4',
                METRICS_PUSH_SECONDS: '1',
                SUBMISSION_CHECK: 'no_check',
                JWT_SECRET_KEY: 'a test secret of 32 bytes or more',
                INTERNAL_TOKEN: 'an-internal-token-of-the-tests',
                AUDIT_LOG: 'none',
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
                  row: { tenant: { event: { json_pointer: '/data/tenant' } } },
                  'ruled.*': { tenant: { event: { json_pointer: '/data/tenant' } } },
                  booking: {
                    hotel: { stable_field_index: 0, event: { json_pointer: '/data/hotel' } },
                    room: { stable_field_index: 1, event: { json_pointer: '/data/room' } },
                  },
                }),
                TYPES: JSON.stringify({
                  'ruled.role': { subscribe: { role: 'admin' } },
                  'ruled.tenant': { subscribe: { claim: '/tenant', field: 'tenant' } },
                  'ruled.row': { subscribe: { claim: '/tenant', field: 'tenant' } },
                  'ruled.past': { history: { scope: 'history:read' } },
                  'ruled.room.*': { presence: { role: 'member' } },
                  'ruled.written': { publish: { role: 'writer' }, max_bytes: 300 },
                  'ruled.short': { lifetime_seconds: 60 },
                }),
                TABLES: JSON.stringify({
                  row: { topic: 'rig' },
                  'ruled.row': { topic: 'rig' },
                  keyed: { topic: 'rig', key: 'record' },
                  large: { topic: 'rig', max_rows: 2 },
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
          // Modules are loaded once a worker: a file by itself takes half of its time for them.
          isolate: false,
          // In this order: what objects of the file before write while they are deleted is not of this file.
          setupFiles: ['./test/setup/empty-storage.ts', ...setupFiles],
          include: ['test/**/*.test.ts'],
          exclude: [
            ...pure,
            'test/e2e/**',
            'test/clients/**',
            'test/cluster/**',
            'test/monitoring/**',
            'test/real-kafka/**',
            'test/schema-conformance/**',
            'test/real-sources/**',
            'test/**/*.{kafka,source}.test.ts',
          ],
        },
      },
    ],
  },
})
