// Vitest's global setup: what workerd itself writes about failures that tests provoke is swallowed, and anything else that
// it writes fails the run. Workerd reports an exception that the code under test has handled already: it sees it first
// where it crosses from the runtime, or from a Durable Object, into JavaScript.

/** What it writes about what a test does on purpose. */
const EXPECTED = [
  // An upstream, a registry or a broker that resets, is not there, or answers garbage. Which part of workerd notices it first is
  // a matter of time.
  /Network connection lost/,
  /\.(c\+\+|h|rs):\d+: disconnected: /,
  // A reader that is cut, and a request body that is too large.
  /Reader too slow, come back and resume/,
  /the body is larger than the route allows/,
  /the client went away/,
  /Can't read from request stream after response has been sent/,
  // A Durable Object that a test kills: by an exception, a trigger, or a table that is gone.
  /broken\.outputGateBroken; jsg\.Error: crash/,
  /SQLITE_CONSTRAINT_TRIGGER/,
  /no such table: seen: SQLITE_ERROR/,
  /view segments_\d+ already exists/,
  // Requests to Durable Objects that were under way when a test file ended (test/setup/empty-storage.ts).
  /Application called deleteAllDurableObjects\(\)/,
]

const FROM_WORKERD = /^(uncaught exception|console warning|exception = |[\w/+.-]+\.(c\+\+|h|rs):\d+: )/

export default function watchRuntimeOutput(): () => void {
  const unexpected: string[] = []
  const restore = [process.stdout, process.stderr].map((stream) => {
    const write = stream.write.bind(stream)
    stream.write = (chunk: string | Uint8Array, ...rest: []) => {
      if (typeof chunk !== 'string' || !FROM_WORKERD.test(chunk)) return write(chunk, ...rest)
      if (!EXPECTED.some((pattern) => pattern.test(chunk))) unexpected.push(chunk)
      return true
    }
    return () => void (stream.write = write)
  })
  return () => {
    for (const undo of restore) undo()
    if (unexpected.length === 0) return
    console.error(`workerd wrote what no test expects (test/setup/runtime-output.ts):\n${unexpected.join('')}`)
    process.exitCode = 1
  }
}
