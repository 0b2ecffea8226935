// The programs of docs/tokens.md that mint a token: each is run, and its token is verified. One whose language is not
// installed is skipped.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { jwtVerify } from 'jose'

const SECRET = 'a secret of the test, long enough'
const folder = mkdtempSync(join(tmpdir(), 'rigel-snippets-'))
const markdown = readFileSync(new URL('../../docs/tokens.md', import.meta.url), 'utf8')

/** File name and command of each language. */
const LANGUAGES: Readonly<Record<string, readonly [file: string, ...command: string[]]>> = {
  node: ['mint.mjs', process.execPath],
  python: ['mint.py', 'python3'],
  go: ['mint.go', 'go', 'run'],
  java: ['Mint.java', 'java'],
}

after(() => rmSync(folder, { recursive: true }))

for (const [language, [file, command = '', ...args]] of Object.entries(LANGUAGES)) {
  const isInstalled = spawnSync(command, [language === 'go' ? 'version' : '--version']).status === 0
  void test(
    `the token that the ${language} program mints is accepted`,
    { skip: !isInstalled, timeout: 180_000 },
    async () => {
      const [, program = ''] =
        new RegExp(`<!-- snippet: ${language} -->\\n\`\`\`\\w+\\n([\\s\\S]*?)\\n\`\`\``).exec(markdown) ?? []
      const path = join(folder, file)
      writeFileSync(path, program)
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
    },
  )
}
