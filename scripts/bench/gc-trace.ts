// The heap of workerd's isolate, as V8's own trace of garbage collections tells it. The inspector is of no use for it: it hangs on an
// isolate that serves thousands of streams. For rig.ts.

/** Bytes. */
export interface Heap {
  readonly usedBytes: number
  /** Memory outside the heap that objects of it hold: ArrayBuffers, and what the runtime reports. */
  readonly externalBytes: number
}

/** Flags of an isolate whose heap has this limit, past which V8 ends the process. `gc()` collects, and each collection is told. */
export function heapFlags(heapMiB: number): readonly string[] {
  return ['--expose-gc', '--trace-gc', '--trace-gc-verbose', `--max-heap-size=${heapMiB}`]
}

/** Reads what workerd writes: a collection's lines end with the memory outside the heap. */
export class GcTrace {
  #rest = ''
  #usedBytes = 0
  #latest: Heap | undefined

  /** After the last collection. */
  get latest(): Heap {
    if (this.#latest === undefined) throw new Error('workerd has told of no garbage collection')
    return this.#latest
  }

  add(text: string): void {
    const lines = (this.#rest + text).split('\n')
    this.#rest = lines.pop() ?? ''
    for (const line of lines) this.#read(line)
  }

  #read(line: string): void {
    const used = /All spaces, +used: +(\d+) KB/.exec(line)?.[1]
    if (used !== undefined) this.#usedBytes = Number(used) * 1_024
    const external = /Backing store memory: +(\d+) KB/.exec(line)?.[1]
    if (external !== undefined) this.#latest = { usedBytes: this.#usedBytes, externalBytes: Number(external) * 1_024 }
  }
}
