// The part of Node's `process` that fuzz.ts and sim.ts use: they are checked with the types of Workers, as the code that
// they run is, and types of Node would hide those.
declare const process: {
  readonly argv: readonly string[]
  exitCode: number | undefined
  memoryUsage(): { readonly rss: number; readonly heapUsed: number; readonly external: number }
  on(event: 'unhandledRejection', listener: (reason: unknown) => void): void
}
