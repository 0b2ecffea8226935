// Adds up what the test runners report, for .ci/run: `N passed, N failed` as the last line, non-zero if anything failed.
// Run: node scripts/count-tests.ts <failed steps> <report…>, each of Vitest (.json), or JUnit (.xml) of node:test or schemathesis. A report
// that is missing is a failure.
import { existsSync, readFileSync } from 'node:fs'

interface Count {
  readonly passed: number
  readonly failed: number
}

const [failedSteps = '0', ...reports] = process.argv.slice(2)

const counts = reports.map((report) => (report.endsWith('.json') ? countVitest(report) : countNodeTest(report)))
const passed = counts.reduce((sum, count) => sum + count.passed, 0)
const failedTests = counts.reduce((sum, count) => sum + count.failed, 0)
// A step that failed without a failed test (format, types, bundle) still is a failure, and says so.
const failed = Math.max(failedTests, Number(failedSteps))

console.log(`${passed} passed, ${failed} failed`)
process.exitCode = failed > 0 || passed === 0 ? 1 : 0

function countVitest(path: string): Count {
  if (!existsSync(path)) return { passed: 0, failed: 1 }
  const report = JSON.parse(readFileSync(path, 'utf8')) as { numPassedTests: number; numFailedTests: number }
  return { passed: report.numPassedTests, failed: report.numFailedTests }
}

function countNodeTest(path: string): Count {
  const xml = existsSync(path) ? readFileSync(path, 'utf8') : ''
  const all = xml.match(/<testcase\b/g)?.length ?? 0
  const failures = xml.match(/<failure\b/g)?.length ?? 0
  return all === 0 ? { passed: 0, failed: 1 } : { passed: all - failures, failed: failures }
}
