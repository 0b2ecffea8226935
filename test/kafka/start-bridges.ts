// Vitest's global setup: starts bridges.ts, and tells tests its port by `inject('bridgesPort')`.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import type { TestProject } from 'vitest/node'

export default async function startBridges(project: TestProject): Promise<() => void> {
  const bridges = spawn('node', [fileURLToPath(new URL('bridges.ts', import.meta.url))], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const [port] = (await once(bridges.stdout, 'data')) as [Buffer]
  project.provide('bridgesPort', Number(port.toString()))
  return () => void bridges.kill()
}
