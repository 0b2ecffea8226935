// The programs of docs/tokens.md that mint a token: each is run, and its token is verified. One whose language is not
// installed is skipped.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { jwtVerify } from 'jose'
import { readSnippet } from './snippets.ts'

const SECRET = 'a secret of the test, long enough'
const folder = mkdtempSync(join(tmpdir(), 'rigel-snippets-'))

/** Program, file name and command of each language. */
const PROGRAMS: readonly (readonly [id: string, file: string, ...command: string[]])[] = [
  ['docs/tokens.md#node', 'mint.mjs', process.execPath],
  ['docs/tokens.md#python', 'mint.py', 'python3'],
  ['docs/tokens.md#go', 'mint.go', 'go', 'run'],
  ['docs/tokens.md#java', 'Mint.java', 'java'],
]

after(() => rmSync(folder, { recursive: true }))

for (const [id, file, command = '', ...args] of PROGRAMS) {
  const isInstalled = spawnSync(command, [command === 'go' ? 'version' : '--version']).status === 0
  void test(`the token that ${id} mints is accepted`, { skip: !isInstalled, timeout: 180_000 }, async () => {
    const path = join(folder, file)
    writeFileSync(path, readSnippet(id))
    const run = spawnSync(command, [...args, path], {
      encoding: 'utf8',
      env: { ...process.env, JWT_SECRET_KEY: SECRET },
    })
    assert.equal(run.status, 0, run.stderr)
    const { payload } = await jwtVerify(run.stdout.trim(), new TextEncoder().encode(SECRET), {
      algorithms: ['HS256'],
    })
    assert.equal(payload.sub, 'alice')
    assert.equal(payload.jti, 'session-4711')
    assert.ok((payload.exp ?? 0) > Date.now() / 1_000)
  })
}
