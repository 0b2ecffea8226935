// The part of Node's SQLite that sql-storage.ts uses: tests have no types of Node, which would hide those of Workers.
declare module 'node:sqlite' {
  export type SQLInputValue = null | number | bigint | string | Uint8Array
  export class DatabaseSync {
    constructor(path: string)
    exec(sql: string): void
    prepare(sql: string): {
      all(...values: readonly SQLInputValue[]): Record<string, unknown>[]
      get(...values: readonly SQLInputValue[]): Record<string, unknown> | undefined
    }
  }
}
