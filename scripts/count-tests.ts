// Adds up what the test runners report, for .ci/run: `N passed, N failed` as the last line, non-zero if anything failed. Names what
// failed before that, in the first run of a suite (reports `first-…`) too.
// Run: node scripts/count-tests.ts <failed steps> <folder> <report…>, each of Vitest (.json), or JUnit (.xml) of node:test or
// schemathesis. A report that is missing is a failure.
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

interface Count {
  readonly passed: number
  readonly failed: number
}

interface VitestReport {
  readonly numPassedTests: number
  readonly numFailedTests: number
  readonly testResults: readonly {
    /** The file's path. */
    readonly name: string
    readonly status: string
    readonly message: string
    readonly assertionResults: readonly { readonly status: string; readonly fullName: string }[]
  }[]
}

const [failedSteps = '0', folder = '.', ...reports] = process.argv.slice(2)

for (const report of reports) {
  for (const name of failedTests(join(folder, `first-${report}`)))
    console.log(`failed in its first run (${report}): ${name}`)
  for (const name of failedTests(join(folder, report))) console.log(`failed (${report}): ${name}`)
}

const counts = reports.map((report) => count(join(folder, report)))
const passed = counts.reduce((sum, one) => sum + one.passed, 0)
// A step that failed without a failed test (format, types, bundle) still is a failure, and says so.
const failed = Math.max(
  counts.reduce((sum, one) => sum + one.failed, 0),
  Number(failedSteps),
)

console.log(`${passed} passed, ${failed} failed`)
process.exitCode = failed > 0 || passed === 0 ? 1 : 0

function count(path: string): Count {
  if (!existsSync(path)) return { passed: 0, failed: 1 }
  const text = readFileSync(path, 'utf8')
  if (path.endsWith('.json')) {
    const report = JSON.parse(text) as VitestReport
    return { passed: report.numPassedTests, failed: report.numFailedTests }
  }
  const all = text.match(/<testcase\b/g)?.length ?? 0
  const failures = text.match(/<failure\b/g)?.length ?? 0
  return all === 0 ? { passed: 0, failed: 1 } : { passed: all - failures, failed: failures }
}

function failedTests(path: string): readonly string[] {
  if (!existsSync(path)) return []
  const text = readFileSync(path, 'utf8')
  if (path.endsWith('.json')) {
    return (JSON.parse(text) as VitestReport).testResults.flatMap(({ assertionResults, message, name, status }) => {
      const names = assertionResults.filter((test) => test.status === 'failed').map(({ fullName }) => fullName)
      // A file may fail by itself, such as by a line on the console that it does not expect, although its tests passed.
      return status === 'failed' && names.length === 0 ? [`${name}: ${message}`] : names
    })
  }
  return [...text.matchAll(/<testcase\b[^>]*\bname="([^"]*)"[^>]*>\s*<failure\b/g)].map(([, name = '']) => name)
}
