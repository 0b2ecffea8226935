// For tests that provoke a line in the log: `expectLogs(/a service could not be reached/)` at the top of a test file, or in
// a test, allows what matches until the end of the file. All other lines fail the file: see setup/console.ts.
// For the file, not for one test: a Durable Object may write its line after the test that provoked it has ended.

/** On globalThis: with `isolate: false` one module instance serves many files, and a setup file has its own. */
const shared = globalThis as { rigelExpectedLogs?: RegExp[] }

/** A pattern is tried on the whole call: its arguments as text, objects as JSON. */
export function expectLogs(...patterns: readonly RegExp[]): void {
  shared.rigelExpectedLogs = [...expectedLogs(), ...patterns]
}

export function expectedLogs(): readonly RegExp[] {
  return shared.rigelExpectedLogs ?? []
}

export function resetExpectedLogs(): void {
  shared.rigelExpectedLogs = []
}
