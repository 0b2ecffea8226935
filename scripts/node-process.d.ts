// The part of Node's `process` that fuzz.ts and sim.ts use: they are checked with the types of Workers, as the code that
// they run is, and types of Node would hide those.
declare const process: {
  readonly argv: readonly string[]
  readonly execPath: string
  readonly execArgv: readonly string[]
  exitCode: number | undefined
  /** Microseconds. */
  threadCpuUsage(): { readonly user: number; readonly system: number }
  memoryUsage(): { readonly rss: number; readonly heapUsed: number; readonly external: number }
  on(event: 'unhandledRejection', listener: (reason: unknown) => void): void
}

declare module 'node:child_process' {
  export function spawn(
    command: string,
    args: readonly string[],
    options: { readonly stdio: 'inherit' },
  ): { on(event: 'exit', listener: (code: number | null) => void): void }
}

declare module 'node:module' {
  export function registerHooks(hooks: {
    resolve(specifier: string, context: object, next: (specifier: string, context: object) => object): object
    load(url: string, context: object, next: (url: string, context: object) => object): object
  }): void
}
