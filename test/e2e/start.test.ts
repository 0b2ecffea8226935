// `npm start` as a process: what it says when it cannot start, what it picks up while it runs, and that it ends.
import assert from 'node:assert/strict'
import { execFile, spawnSync } from 'node:child_process'
import { mkdtempSync, cpSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { freePort, Rigel, until } from './rigel.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))
const run = promisify(execFile)

/** Runs `npm start` to its end. Returns what it wrote to stderr. */
async function failToStart(env: Readonly<Record<string, string>>): Promise<string> {
  const failed = await run('npm', ['start'], { cwd: root, env: { ...process.env, ...env } }).then(
    () => assert.fail('it started'),
    (error: unknown) => error as { stderr: string; stdout: string },
  )
  assert.doesNotMatch(failed.stdout, /Rigel is up/)
  return failed.stderr
}

void describe('npm start', () => {
  let rigel: Rigel

  before(async () => {
    rigel = await Rigel.start({
      LONGPOLLING_WAIT_SECONDS: '7',
      JWT_SECRET_KEY: 'a $ecret of ${many} $$ signs, and long',
    })
  })

  after(() => rigel.end())

  for (const port of ['abc', '0', '65536', '-1', '80.5', '1e3']) {
    void it(`refuses the port ${port}`, async () => {
      assert.match(await failToStart({ PORT: port }), /PORT: must be a whole number from 1 to 65535, got "/)
    })
  }

  for (const [name, value, problem] of [
    ['HOST', 'nowhere.invalid', /^HOST: must be a name or an address of this machine.*, got nowhere\.invalid:/m],
    ['HOST', '192.0.2.1', /^HOST: must be a name or an address of this machine.*, got 192\.0\.2\.1:/m],
    ['RIGEL_VARS', '/nowhere/vars', /^RIGEL_VARS: there is no file \/nowhere\/vars$/m],
    ['RIGEL_PERSIST', '/dev/null/state', /^RIGEL_PERSIST: must be a folder that can be written: ENOTDIR/m],
  ] as const) {
    void it(`says what is wrong with ${name}=${value}, without a stack trace`, async () => {
      const told = await failToStart({ PORT: String(await freePort()), [name]: value })
      assert.match(told, problem)
      assert.doesNotMatch(told, /^ {4}at /m)
    })
  }

  void it('says that its port is taken, and does not say that Rigel is up because another one answers', async () => {
    assert.match(
      await failToStart({ PORT: String(rigel.port) }),
      new RegExp(`Port ${rigel.port} of localhost is taken`),
    )
  })

  void it('names the embedded log over HTTP only where it can be used', async () => {
    await until('it is announced', () => rigel.output.includes('Health '))
    assert.match(rigel.output, /Kafka over HTTP/)
    const withKafka = await Rigel.start({ KAFKA_BROKERS: '127.0.0.1:1' })
    await until('it is announced', () => withKafka.output.includes('Health '))
    assert.doesNotMatch(withKafka.output, /Kafka over HTTP/)
    await withKafka.end()
  })

  void it('takes a $ in a variable as it is', async () => {
    // The token is signed and verified with the same key: another user of that key can sign it too.
    const { SignJWT } = await import('jose')
    const key = new TextEncoder().encode('a $ecret of ${many} $$ signs, and long')
    const jwt = await new SignJWT({ sub: 'alice' })
      .setProtectedHeader({ alg: 'HS256' })
      .setExpirationTime('1h')
      .sign(key)
    const response = await fetch(`${rigel.origin}/_rig/v1/connection/longpolling?jwt=${jwt}`)
    await response.body?.cancel()
    assert.equal(response.status, 200)
  })

  void it('picks up changed variables, tells what is wrong with them, and goes on when they are right', async () => {
    rigel.setVariables({ SHARDS: 'many' })
    await until('the mistake is told', async () => (await health()).includes('SHARDS: must be a whole number'))
    await until('and printed', () => rigel.output.includes('SHARDS: must be a whole number'))
    rigel.setVariables({ SHARDS: '2' })
    await until('it is well again', async () => (await health()) === 'OK')
  })

  void it('ends when npm is told to, with streams open', async () => {
    const stream = await fetch(`${rigel.origin}/_rig/v1/connection/sse`)
    assert.equal(stream.status, 200)
    await rigel.signal('SIGTERM')
    await until('nothing answers', async () => (await fetch(rigel.origin).catch(() => undefined)) === undefined, 10_000)
    await stream.body?.cancel().catch(() => undefined)
  })

  async function health(): Promise<string> {
    return fetch(`${rigel.origin}/_rig/health`).then(
      (response) => response.text(),
      () => '',
    )
  }
})

void it('without node_modules says what to run', () => {
  const folder = mkdtempSync(join(tmpdir(), 'rigel-bare-'))
  cpSync(join(root, 'package.json'), join(folder, 'package.json'))
  cpSync(join(root, 'scripts'), join(folder, 'scripts'), { recursive: true })
  const { stderr, status } = spawnSync('npm', ['start'], { cwd: folder, encoding: 'utf8' })
  rmSync(folder, { recursive: true })
  assert.match(stderr, /There is no node_modules, or only a part of it\. Run: npm ci/)
  assert.equal(status, 1)
})
