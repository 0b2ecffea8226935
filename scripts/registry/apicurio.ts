// Apicurio Registry: fetched once from Maven Central into ~/.cache/rigel (104 MB), checked, and started. Called by
// scripts/registry.ts, and by the tests of the whole.
import { execFileSync, spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { findJava } from '../kafka/distribution.ts'

/** The last that runs on Java 17: later ones need 21. */
const VERSION = '3.0.9'
const SHA256 = '2b28181501a20cbf6efcd77f9b7153908fc01f3d3a7c32024c0bd9e1b04c8a43'
const MAVEN_CENTRAL = process.env['MAVEN_CENTRAL'] ?? 'https://repo.maven.apache.org/maven2'
const CACHE = process.env['RIGEL_CACHE'] ?? join(homedir(), '.cache', 'rigel')
const DOWNLOAD_TIMEOUT_MS = 600_000
const START_WITHIN_MS = 120_000
const ASK_EVERY_MS = 500

interface Registry {
  readonly url: string
  /** It answers nothing more, and keeps its connections. */
  pause(): void
  resume(): void
  stop(): void
}

export async function startRegistry(port: number): Promise<Registry> {
  const url = `http://127.0.0.1:${port}/apis/ccompat/v7`
  const folder = await unpacked()
  const server = spawn(findJava(), javaArguments(port), { cwd: folder, stdio: 'ignore' })
  const registry: Registry = {
    url,
    pause: () => void server.kill('SIGSTOP'),
    resume: () => void server.kill('SIGCONT'),
    stop: () => void server.kill('SIGKILL'),
  }
  const deadlineMs = Date.now() + START_WITHIN_MS
  while (Date.now() < deadlineMs && server.exitCode === null) {
    const response = await fetch(`${url}/subjects`).catch(() => undefined)
    if (response?.ok) return registry
    await new Promise((resolve) => setTimeout(resolve, ASK_EVERY_MS))
  }
  registry.stop()
  throw new Error(`the registry did not answer at ${url} within ${START_WITHIN_MS} ms`)
}

function javaArguments(port: number): readonly string[] {
  const settings = { 'http.port': port, 'http.host': '127.0.0.1', 'management.port': 0, 'management.host': '127.0.0.1' }
  const given = Object.entries(settings).map(([name, value]) => `-Dquarkus.${name}=${value}`)
  return ['-Xmx384m', ...given, '-jar', `apicurio-registry-app-${VERSION}-runner.jar`]
}

/** Renamed into place when it is whole, so that half of it is never taken for all. */
async function unpacked(): Promise<string> {
  const target = join(CACHE, `apicurio-${VERSION}`)
  if (existsSync(target)) return target
  const file = `apicurio-registry-app-${VERSION}-all.tar.gz`
  const address = `${MAVEN_CENTRAL}/io/apicurio/apicurio-registry-app/${VERSION}/${file}`
  console.error(`Fetching Apicurio Registry ${VERSION} into ${target} …`)
  const response = await fetch(address, { signal: AbortSignal.timeout(DOWNLOAD_TIMEOUT_MS) })
  if (!response.ok) throw new Error(`${address}: ${response.status}`)
  const archive = new Uint8Array(await response.arrayBuffer())
  const got = createHash('sha256').update(archive).digest('hex')
  if (got !== SHA256) throw new Error(`${address}: SHA-256 is ${got}, it should be ${SHA256}`)
  const partial = `${target}.${process.pid}`
  mkdirSync(partial, { recursive: true })
  writeFileSync(join(partial, file), archive)
  execFileSync('tar', ['xzf', file], { cwd: partial })
  rmSync(join(partial, file))
  renameSync(partial, target)
  return target
}
