// Reads a body up to a limit, whatever its content-length says, so that no sender decides how much memory is used. Called
// for responses of other servers, and by http/request/request-bodies.ts.

/** What is held for a body when its first byte has come. */
const FIRST_BYTES = 4_096
/** A step costs more than copying what it brings. A large body is read in steps of this size. */
const MAX_STEP_BYTES = 65_536

/** The body, or why it was not read, with the number of bytes that were declared or read so far. */
export type BodyRead =
  | { readonly ok: true; readonly bytes: Uint8Array }
  | { readonly ok: false; readonly gotBytes: number; readonly why: 'too_large' | 'no_room' | 'late' }

/** Decides whether a body is read on. */
export interface BodyWatch {
  /** Asked before the body takes memory of `bytes` altogether. False: it is given up as `no_room`. */
  mayHold(bytes: number): boolean
  /** Bytes of the body have come. */
  arrived(): void
  /** Once it resolves, the body is given up as `late`. */
  readonly late: Promise<void>
}

/** Stops and cancels the rest as soon as the limit is exceeded, or as the watch says. Throws what the stream fails with. */
export async function readBody(
  source: Pick<Request | Response, 'body' | 'headers'>,
  limitBytes: number,
  watch?: BodyWatch,
): Promise<BodyRead> {
  const declaredBytes = Number(source.headers.get('content-length') ?? 0)
  if (declaredBytes > limitBytes) return { ok: false, gotBytes: declaredBytes, why: 'too_large' }
  if (source.body === null) return { ok: true, bytes: new Uint8Array() }
  const reader = openReader(source.body)
  const reading = readAll(reader, new GrowingBytes(declaredBytes, limitBytes), watch)
  const late = watch?.late.then((): BodyRead => ({ ok: false, gotBytes: 0, why: 'late' }))
  const read = await (late === undefined ? reading : Promise.race([reading, late]))
  // Not awaited: the stream of a sender that has stalled need not answer.
  if (!read.ok) reader.cancel().catch(() => undefined)
  return read
}

async function readAll(reader: ChunkReader, held: GrowingBytes, watch: BodyWatch | undefined): Promise<BodyRead> {
  let gotBytes = 0
  for (;;) {
    const chunk = await reader.read(stepBytes(held.capacity))
    if (chunk === undefined) return { ok: true, bytes: held.bytes }
    watch?.arrived()
    gotBytes += chunk.byteLength
    if (gotBytes > held.limitBytes) return { ok: false, gotBytes, why: 'too_large' }
    const needs = held.capacityFor(gotBytes)
    if (needs > held.capacity && watch?.mayHold(needs) === false) return { ok: false, gotBytes, why: 'no_room' }
    held.append(chunk, needs)
  }
}

interface ChunkReader {
  /** Returns up to `maxBytes`, or undefined at the end. They are to be copied before the next call. */
  read(maxBytes: number): Promise<Uint8Array | undefined>
  cancel(): Promise<void>
}

/** A quarter of what is held, so that a slow sender holds little by it. */
function stepBytes(heldBytes: number): number {
  return Math.min(MAX_STEP_BYTES, Math.max(FIRST_BYTES, heldBytes / 4))
}

/** By default the runtime reads 4 KiB at once. Streams that are made in JavaScript have chunks of their own. */
function openReader(body: ReadableStream<Uint8Array>): ChunkReader {
  let byob: ReadableStreamBYOBReader
  try {
    byob = body.getReader({ mode: 'byob' })
  } catch {
    const reader = body.getReader()
    return { read: async () => (await reader.read()).value, cancel: () => reader.cancel() }
  }
  let buffer = new ArrayBuffer(0)
  const read = async (maxBytes: number): Promise<Uint8Array | undefined> => {
    if (buffer.byteLength < maxBytes) buffer = new ArrayBuffer(maxBytes)
    const { done, value } = await byob.read(new Uint8Array(buffer))
    if (done) return undefined
    buffer = value.buffer
    return value
  }
  return { read, cancel: () => byob.cancel() }
}

/**
 * Chunks are copied: the runtime reads into buffers of 4 KiB, and a sender that writes single bytes would make each of them
 * stay. At most twice what has come is held, and no more than was declared, unless more comes.
 */
class GrowingBytes {
  readonly limitBytes: number
  readonly #declaredBytes: number
  #buffer = new Uint8Array()
  #length = 0

  constructor(declaredBytes: number, limitBytes: number) {
    this.limitBytes = limitBytes
    this.#declaredBytes = declaredBytes
  }

  get bytes(): Uint8Array {
    return this.#buffer.subarray(0, this.#length)
  }

  get capacity(): number {
    return this.#buffer.byteLength
  }

  /** What is to be held for `length` bytes altogether. */
  capacityFor(length: number): number {
    if (length <= this.capacity) return this.capacity
    const doubled = Math.max(FIRST_BYTES, 2 * this.capacity, length)
    return Math.min(doubled, length <= this.#declaredBytes ? this.#declaredBytes : this.limitBytes)
  }

  append(chunk: Uint8Array, capacity: number): void {
    if (capacity > this.capacity) {
      const grown = new Uint8Array(capacity)
      grown.set(this.bytes)
      this.#buffer = grown
    }
    this.#buffer.set(chunk, this.#length)
    this.#length += chunk.byteLength
  }
}
