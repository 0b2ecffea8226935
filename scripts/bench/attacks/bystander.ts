// The control of attacks.ts: the attacker's client does the same work at the same rate, but against this workerd, which has nothing
// to do with the gateway and answers with the least that keeps the client going. What the victim pays then is the price of sharing
// the machine's cores with the client, not of the attack.
import { spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { stripTypeScriptTypes } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { cpuMsOf, freePort, untilHealthy, WORKERD } from '../rig.ts'

export interface Bystander {
  readonly origin: string
  cpuMs(): number
  stop(): void
}

export async function startBystander(): Promise<Bystander> {
  const port = await freePort()
  const folder = mkdtempSync(join(tmpdir(), 'rigel-bystander-'))
  const source = readFileSync(new URL('../worker/bystander.ts', import.meta.url), 'utf8')
  writeFileSync(join(folder, 'worker.js'), stripTypeScriptTypes(source))
  const config = join(folder, 'config.capnp')
  writeFileSync(
    config,
    `using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [(name = "main", worker = (
    modules = [(name = "worker", esModule = embed "worker.js")],
    compatibilityDate = "2026-09-15",
  ))],
  sockets = [(name = "http", address = "127.0.0.1:${port}", http = (), service = "main")],
);
`,
  )
  const workerd = spawn(WORKERD, ['serve', config], { stdio: ['ignore', 'ignore', 'inherit'] })
  const stop = (): void => {
    process.off('exit', stop)
    if (workerd.exitCode === null) workerd.kill('SIGKILL')
    rmSync(folder, { recursive: true, force: true })
  }
  process.once('exit', stop)
  const origin = `http://127.0.0.1:${port}`
  await untilHealthy(origin)
  return { origin, cpuMs: () => cpuMsOf(workerd), stop }
}
