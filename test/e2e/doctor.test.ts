// `npm run doctor` as a process, against services on this machine: what answers, what does not, and its exit code.
import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createServer, type AddressInfo } from 'node:net'
import { after, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import { freePort } from './rigel.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))
const folder = mkdtempSync(join(tmpdir(), 'rigel-doctor-'))

after(() => rmSync(folder, { recursive: true }))

function writeVariables(variables: Readonly<Record<string, string>>): string {
  const file = join(folder, 'vars')
  writeFileSync(
    file,
    Object.entries(variables)
      .map(([name, value]) => `${name}='${value}'\n`)
      .join(''),
  )
  return file
}

function runDoctor(variables: Readonly<Record<string, string>>) {
  const file = writeVariables(variables)
  const { status, stderr, stdout } = spawnSync('npm', ['run', '-s', 'doctor', '--', '--vars', file], {
    cwd: root,
    encoding: 'utf8',
  })
  return { status, output: stdout + stderr }
}

/** While this process answers as a server. */
async function runDoctorAside(variables: Readonly<Record<string, string>>) {
  const file = writeVariables(variables)
  const doctor = spawn('npm', ['run', '-s', 'doctor', '--', '--vars', file], { cwd: root })
  let output = ''
  for (const stream of [doctor.stdout, doctor.stderr]) stream.on('data', (chunk) => (output += String(chunk)))
  const [status] = (await once(doctor, 'exit')) as [number | null]
  return { status, output }
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

void it('NATS is asked what it is, and streams of Kinesis whether they exist', async () => {
  const nats = createServer((socket) => {
    socket.on('error', () => undefined)
    socket.write('INFO {"server_name":"test","version":"2.12.0","jetstream":false,"auth_required":false}\r\n')
  })
  await new Promise<void>((resolve) => nats.listen(0, '127.0.0.1', () => resolve()))
  const { port } = nats.address() as AddressInfo
  const free = await freePort()
  const variables = {
    NATS_SERVERS: `127.0.0.1:${port},127.0.0.1:${free}`,
    KINESIS_ENABLED: 'true',
    KINESIS_ENDPOINT: `http://localhost:${free}`,
    AWS_ACCESS_KEY_ID: 'a',
    AWS_SECRET_ACCESS_KEY: 'b',
  }
  const { output, status } = await runDoctorAside(variables)
  nats.close()
  assert.match(output, new RegExp(`WARNING {2}NATS 127\\.0\\.0\\.1:${port}: has no JetStream`))
  assert.match(output, new RegExp(`PROBLEM {2}NATS 127\\.0\\.0\\.1:${free}: .*ECONNREFUSED`))
  assert.match(output, /PROBLEM {2}stream RIG-outbound: Kinesis: ListShards: no answer from localhost/)
  assert.equal(status, 1)
})

void it('a configuration that is wrong is told without asking anybody', () => {
  const { output, status } = runDoctor({ SHARDS: 'many', KAFKA_BROKER: 'localhost:1' })
  assert.match(output, /PROBLEM {2}SHARDS: must be a whole number/)
  assert.match(output, /WARNING {2}KAFKA_BROKER: .* did you mean KAFKA_BROKERS\?/)
  assert.equal(status, 1)
})
