// eslint-disable-next-line unicorn/require-module-specifiers -- makes this file a module, which adds to Vitest's
export {}

declare module 'vitest' {
  export interface ProvidedContext {
    /** Of the processes that start.ts starts. */
    readonly upstreamPort: number
    /** Of the process that test/kafka/start-bridges.ts starts. */
    readonly bridgesPort: number
    readonly registryPort: number
    /** Servers that test/sources/start.ts starts: the way to authenticate, the port, and Rigel's variables for it. */
    readonly natsLogins: readonly {
      readonly name: string
      readonly port: number
      readonly variables: Readonly<Record<string, string>>
    }[]
  }
}
