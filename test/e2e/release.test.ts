// What a release leaves in the repository. Run: npm run test:e2e
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { makeTemplate } from '../../scripts/release/template.ts'

const SECRETS = 'deploy/cloudflare/secrets.vars'
const EXAMPLE = '.dev.vars.example'

void test('the branch of the Deploy button asks for secrets, and has no development settings', (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'rigel-release-'))
  t.after(() => rmSync(folder, { recursive: true }))
  const git = (...args: readonly string[]) => execFileSync('git', args, { cwd: folder, encoding: 'utf8' })
  mkdirSync(join(folder, 'deploy/cloudflare'), { recursive: true })
  for (const file of [SECRETS, EXAMPLE, 'wrangler.toml']) copyFileSync(file, join(folder, file))
  git('init', '--quiet')
  git('config', 'user.name', 'test')
  git('config', 'user.email', 'test@example.com')
  git('add', '.')
  git('commit', '--quiet', '-m', 'a release')

  makeTemplate('template: 1.0.0', folder)

  assert.equal(git('show', `template:${EXAMPLE}`), readFileSync(SECRETS, 'utf8'))
  assert.equal(git('show', `HEAD:${EXAMPLE}`), readFileSync(EXAMPLE, 'utf8'))
  assert.deepEqual(git('diff', '--name-only', 'HEAD', 'template').trim(), EXAMPLE)
  assert.equal(git('status', '--porcelain'), '')
  assert.doesNotMatch(git('show', `template:${EXAMPLE}`), /DEV_MODE|SUBMISSION_CHECK/)
})
