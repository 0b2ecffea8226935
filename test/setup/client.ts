// Vitest's global setup: builds the browser library, which the Worker serves from public/ and Git ignores.
import { execFileSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'

export default function buildClient(): void {
  execFileSync('node', [fileURLToPath(new URL('../../scripts/build-client.ts', import.meta.url))], {
    stdio: ['ignore', 'ignore', 'inherit'],
  })
}
