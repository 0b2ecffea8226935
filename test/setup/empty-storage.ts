// Vitest's setup file in workerd: files of tests share an isolate, so that modules are loaded once, and each file begins
// with empty Durable Objects.
import { reset } from 'cloudflare:test'
import { beforeAll } from 'vitest'

beforeAll(async () => {
  await reset()
})
