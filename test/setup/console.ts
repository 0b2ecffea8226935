// Vitest's setup file: what the code under test writes to the console is swallowed if the test file expects it
// (support/expect-logs.ts), and fails the test file if it does not. So the output of `npm test` shows what is wrong, and nothing else.
import { afterAll, beforeAll } from 'vitest'
import { expectedLogs, resetExpectedLogs } from '../support/expect-logs.ts'

const METHODS = ['debug', 'info', 'log', 'warn', 'error'] as const
const original = { ...console }
const unexpected: string[] = []

for (const method of METHODS) {
  console[method] = (...args: unknown[]) => {
    const text = args.map(toText).join(' ')
    if (!expectedLogs().some((pattern) => pattern.test(text))) unexpected.push(`console.${method}: ${text}`)
  }
}

beforeAll(() => {
  unexpected.length = 0
})

afterAll(() => {
  resetExpectedLogs()
  Object.assign(console, original)
  if (unexpected.length > 0) {
    throw new Error(`written to the console, and not expected (expectLogs):\n${unexpected.join('\n')}`)
  }
})

function toText(value: unknown): string {
  return typeof value === 'object' && value !== null && !(value instanceof Error)
    ? JSON.stringify(value)
    : String(value)
}
