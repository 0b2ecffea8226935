// Creates the caches of the configured registry: by id for followers, by subject for the proxy. Passes clock and network in.
// Both return null if no registry is configured.
import type { Config } from '../config/parse-config.ts'
import { createRegistryClient } from './registry-client.ts'
import { SchemaCache } from './schema-cache.ts'
import { SubjectCache } from './subject-cache.ts'

const nowMs = (): number => Date.now()
const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))
const fetcher: typeof fetch = (input, init) => fetch(input, init)

export function createSchemaCache({ schemas: { registry } }: Config): SchemaCache | null {
  return registry === null ? null : new SchemaCache({ client: createRegistryClient(registry, fetcher), nowMs, sleep })
}

export function createSubjectCache({ schemas: { registry } }: Config): SubjectCache | null {
  return registry === null ? null : new SubjectCache({ client: createRegistryClient(registry, fetcher), nowMs })
}
