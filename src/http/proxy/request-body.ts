// A request's body on its way to a service, streamed. A body whose length is not declared is counted up to the route's
// limit. A body that the client breaks off, or that passes the limit, is broken off at the service too. For forward.ts.
import type { ResponseTimeout } from './response-timeout.ts'

/** A smaller body arrives with its head or soon after it, so it needs no pacing. */
const SMALL_BYTES = 65_536
/** The size of a read: by default the runtime gives 4 KiB. */
const CHUNK_BYTES = 65_536

export class RequestBody {
  readonly stream: ReadableStream | null
  /** The limit was exceeded: the service got only a part of the body. */
  isExceeded = false
  #timeout: ResponseTimeout | undefined

  /** `declared` is the header `content-length`. `isTooLarge` must have been asked before. */
  constructor(body: ReadableStream | null, declared: string | undefined, limitBytes: number | null) {
    if (body === null || declared === '0') this.stream = null
    else if (declared !== undefined && Number(declared) <= SMALL_BYTES) this.stream = body
    else if (declared === undefined) this.stream = this.#paced(body, limitBytes ?? Infinity)
    else this.stream = ofLength(this.#paced(body, Infinity), Number(declared))
  }

  timedBy(timeout: ResponseTimeout): void {
    this.#timeout = timeout
  }

  #paced(body: ReadableStream, limitBytes: number): ReadableStream<Uint8Array> {
    // This stream can be read in chunks of that size, whatever kind of stream the body is.
    const reader = body.pipeThrough(new IdentityTransformStream()).getReader({ mode: 'byob' })
    let gotBytes = 0
    const pull = async (controller: ReadableStreamDefaultController<Uint8Array>): Promise<void> => {
      this.#timeout?.pause()
      const { done, value } = await this.#read(reader)
      this.#timeout?.restart()
      gotBytes += value?.byteLength ?? 0
      this.isExceeded = gotBytes > limitBytes
      if (this.isExceeded) throw this.#broken(new RangeError('the body is larger than the route allows'))
      if (done || value === undefined) controller.close()
      else controller.enqueue(value)
    }
    // Nothing is read ahead: a chunk is read when the service takes it.
    return new ReadableStream({ pull, cancel: (reason) => reader.cancel(reason) }, { highWaterMark: 0 })
  }

  async #read(reader: ReadableStreamBYOBReader): Promise<ReadableStreamReadResult<Uint8Array>> {
    try {
      return await reader.read(new Uint8Array(CHUNK_BYTES))
    } catch (error) {
      throw this.#broken(error)
    }
  }

  /**
   * The request is aborted before the stream fails: if a stream fails by itself, workerd ends the chunked body regularly, and
   * the service takes the part that it got for the whole body (RFC 9112, section 8).
   */
  #broken(error: unknown): unknown {
    this.#timeout?.abort()
    return error
  }
}

/** `declared` is the header `content-length`. */
export function isTooLarge(declared: string | undefined, limitBytes: number | null): boolean {
  return limitBytes !== null && Number(declared ?? 0) > limitBytes
}

/** Tells the service the length that the client declared. */
function ofLength(body: ReadableStream<Uint8Array>, bytes: number): ReadableStream {
  const { readable, writable } = new FixedLengthStream(bytes)
  // A failure reaches the reader of the other end.
  void body.pipeTo(writable).catch(() => undefined)
  return readable
}
