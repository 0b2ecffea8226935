// Vitest's global setup: starts upstream.ts and registry.ts, and tells tests their ports by `inject('upstreamPort')` and
// `inject('registryPort')`.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import type { TestProject } from 'vitest/node'

export default async function startUpstream(project: TestProject): Promise<() => void> {
  const [upstream, registry] = await Promise.all([start('upstream.ts'), start('registry.ts')])
  project.provide('upstreamPort', upstream.port)
  project.provide('registryPort', registry.port)
  return () => {
    upstream.stop()
    registry.stop()
  }
}

async function start(file: string): Promise<{ readonly port: number; stop(): void }> {
  const child = spawn('node', [fileURLToPath(new URL(file, import.meta.url))], { stdio: ['ignore', 'pipe', 'inherit'] })
  const [port] = (await once(child.stdout, 'data')) as [Buffer]
  return { port: Number(port.toString()), stop: () => void child.kill() }
}
