// Apache Kafka as jars: fetched once from Maven Central into ~/.cache/rigel, each checked against jars.txt. Neither
// Maven nor Docker is needed, only Java 17 or later. Called by cluster.ts.
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { basename, join } from 'node:path'
import { fileURLToPath } from 'node:url'

export const KAFKA_VERSION = '4.3.1'
const MAVEN_CENTRAL = process.env['MAVEN_CENTRAL'] ?? 'https://repo.maven.apache.org/maven2'
const CACHE = process.env['RIGEL_CACHE'] ?? join(homedir(), '.cache', 'rigel')
const JARS = fileURLToPath(new URL('jars.txt', import.meta.url))
const DOWNLOADS_AT_ONCE = 6
const DOWNLOAD_TIMEOUT_MS = 120_000
const OLDEST_JAVA = 17

/** The class path of a broker and the console tools; what is missing is fetched. */
export async function kafkaClassPath(): Promise<string> {
  const folder = join(CACHE, `kafka-${KAFKA_VERSION}`)
  mkdirSync(folder, { recursive: true })
  const wanted = readFileSync(JARS, 'utf8')
    .split('\n')
    .filter((line) => /^[0-9a-f]{64} /.test(line))
    .map((line): [sha256: string, path: string] => [line.slice(0, 64), line.slice(65)])
  const missing = wanted.filter(([, path]) => !existsSync(join(folder, basename(path))))
  if (missing.length > 0) console.error(`Fetching ${missing.length} jars of Kafka ${KAFKA_VERSION} into ${folder} …`)
  const queue = missing.values()
  await Promise.all(
    Array.from({ length: DOWNLOADS_AT_ONCE }, async () => {
      for (const [sha256, path] of queue) await fetchJar(path, sha256, join(folder, basename(path)))
    }),
  )
  return join(folder, '*')
}

/** Renamed into place when it is whole, so that a broken download is never taken for a jar. */
async function fetchJar(path: string, sha256: string, target: string): Promise<void> {
  const url = `${MAVEN_CENTRAL}/${path}`
  const response = await fetch(url, { signal: AbortSignal.timeout(DOWNLOAD_TIMEOUT_MS) })
  if (!response.ok) throw new Error(`${url}: ${response.status}`)
  const body = new Uint8Array(await response.arrayBuffer())
  const got = createHash('sha256').update(body).digest('hex')
  if (got !== sha256) throw new Error(`${url}: SHA-256 is ${got}, jars.txt says ${sha256}`)
  writeFileSync(`${target}.${process.pid}`, body)
  renameSync(`${target}.${process.pid}`, target)
}

/** The `java` to use; throws with what to do when there is none, or too old a one. */
export function findJava(): string {
  const home = process.env['JAVA_HOME']
  const java = home ? join(home, 'bin', 'java') : 'java'
  let version: string
  try {
    version = execFileSync(java, ['--version'], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] })
  } catch {
    throw new Error(`Kafka needs Java ${OLDEST_JAVA}; on Debian: apt-get install openjdk-17-jre-headless`)
  }
  const major = Number(/\s(\d+)[.\s]/.exec(version)?.[1])
  if (major >= OLDEST_JAVA) return java
  throw new Error(`Kafka needs Java ${OLDEST_JAVA} or later, ${java} is: ${version.split('\n')[0]}`)
}
