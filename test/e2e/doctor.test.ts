// `npm run doctor` as a process, against services on this machine: what answers, what does not, and its exit code.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import { freePort } from './rigel.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))
const folder = mkdtempSync(join(tmpdir(), 'rigel-doctor-'))

after(() => rmSync(folder, { recursive: true }))

function runDoctor(variables: Readonly<Record<string, string>>) {
  const file = join(folder, 'vars')
  writeFileSync(
    file,
    Object.entries(variables)
      .map(([name, value]) => `${name}='${value}'\n`)
      .join(''),
  )
  const { status, stderr, stdout } = spawnSync('npm', ['run', '-s', 'doctor', '--', '--vars', file], {
    cwd: root,
    encoding: 'utf8',
  })
  return { status, output: stdout + stderr }
}

void it('the settings of npm start have no problem', () => {
  const { output, status } = runDoctor({
    DEV_MODE: 'true',
    JWT_SECRET_KEY: 'x',
    INTERNAL_TOKEN: 'a-token-of-16-letters',
  })
  assert.match(output, /0 problems, 0 warnings, 2 ok/)
  assert.equal(status, 0)
})

void it('what a configuration names and nobody answers is a problem each, with what to do', async () => {
  const port = await freePort()
  const { output, status } = runDoctor({
    KAFKA_BROKERS: `localhost:${port}`,
    JWT_JWKS_URL: `http://localhost:${port}/keys`,
    KAFKA_SCHEMA_REGISTRY_URL: `http://localhost:${port}`,
    SUBMISSION_CHECK: `http://localhost:${port}/check`,
    PROXY_CONFIG: JSON.stringify([{ id: 'books', target: `http://localhost:${port}`, routes: { 'GET /books': {} } }]),
  })
  for (const subject of ['broker', 'key set', 'schema registry', 'SUBMISSION_CHECK', 'upstream']) {
    assert.match(output, new RegExp(`PROBLEM {2}${subject}[^\\n]*ECONNREFUSED[^\\n]*\\n +→ `), output)
  }
  assert.match(output, /used by books\/GET \/books/)
  assert.equal(status, 1)
})

void it('a configuration that is wrong is told without asking anybody', () => {
  const { output, status } = runDoctor({ SHARDS: 'many', KAFKA_BROKER: 'localhost:1' })
  assert.match(output, /PROBLEM {2}SHARDS: must be a whole number/)
  assert.match(output, /WARNING {2}KAFKA_BROKER: .* did you mean KAFKA_BROKERS\?/)
  assert.equal(status, 1)
})
