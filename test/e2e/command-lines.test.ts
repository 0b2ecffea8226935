// The tools that people run by npm, called wrongly: they say what is wrong and what would be right, without a stack.
// Run: npm run test:e2e
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('../..', import.meta.url))

function run(tool: string, ...args: readonly string[]) {
  const { status, stderr, stdout } = spawnSync('npm', ['run', '-s', tool, '--', ...args], {
    cwd: root,
    encoding: 'utf8',
  })
  return { status, output: stdout + stderr }
}

for (const tool of [
  'build:workerd',
  'deploy:gradual',
  'doctor',
  'explain',
  'import',
  'kafka',
  'kafka:bridge',
  'migrate',
  'registry',
  'release',
]) {
  void test(`${tool} with an option that it does not have`, { timeout: 60_000 }, () => {
    const { output, status } = run(tool, '--no-such-option')
    assert.notEqual(status, 0)
    assert.match(output, new RegExp(`npm run ${tool} -- `))
    assert.doesNotMatch(output, /^ +at /m)
  })
}

for (const [tool, args, said] of [
  ['doctor', ['--vars', 'no-such.vars'], /^--vars: there is no file no-such\.vars/],
  ['doctor', ['--config', 'no-such.toml'], /^--config: there is no file no-such\.toml/],
  ['doctor', ['--env', 'nothing'], /nothing/],
  ['kafka:bridge', ['--dialect', 'other'], /^--dialect: must be one of redpanda, .*, got "other"/],
] as const) {
  void test(`${tool} ${args.join(' ')}`, { timeout: 60_000 }, () => {
    const { output, status } = run(tool, ...args)
    assert.equal(status, 1)
    assert.match(output, said)
    assert.doesNotMatch(output, /^ +at /m)
  })
}
