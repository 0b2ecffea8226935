export {}

declare module 'vitest' {
  export interface ProvidedContext {
    /** Of the process that start.ts starts. */
    readonly upstreamPort: number
  }
}
