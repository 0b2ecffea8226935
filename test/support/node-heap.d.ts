// What tests of memory use of Node: the tests have no types of it.
declare module 'node:v8' {
  export function setFlagsFromString(flags: string): void
}
declare module 'node:vm' {
  export function runInNewContext(code: string): unknown
}
declare module 'node:process' {
  export function memoryUsage(): { readonly heapUsed: number }
}
