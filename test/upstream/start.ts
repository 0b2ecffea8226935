// Vitest's global setup: starts upstream.ts, and tells tests its port by `inject('upstreamPort')`.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import type { TestProject } from 'vitest/node'

export default async function startUpstream(project: TestProject): Promise<() => void> {
  const upstream = spawn('node', [fileURLToPath(new URL('upstream.ts', import.meta.url))], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const [port] = (await once(upstream.stdout, 'data')) as [Buffer]
  project.provide('upstreamPort', Number(port.toString()))
  return () => void upstream.kill()
}
