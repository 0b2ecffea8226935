// How much memory copies of responses may take on their way into the cache, in one isolate of 128 MB: they come at the pace of
// their clients, so that slow ones would fill it. When there are too many, the oldest is given up: a client that does not read keeps
// no other's response out of the cache, and a copy whose request the runtime has ended is not kept for ever. Pure.

/** A longer response passes and is not cached. */
export const MAX_COPY_BYTES = 5_000_000
const MAX_BYTES = 16 * 1_048_576

/** What has passed of one response. */
export interface ResponseCopy {
  readonly chunks: Uint8Array[]
  bytes: number
  isGivenUp: boolean
}

export class ResponseCopies {
  /** In the order in which they have begun. */
  readonly #copies = new Set<ResponseCopy>()
  #bytes = 0

  begin(): ResponseCopy {
    const copy = { chunks: [], bytes: 0, isGivenUp: false }
    this.#copies.add(copy)
    return copy
  }

  add(copy: ResponseCopy, chunk: Uint8Array): void {
    if (copy.isGivenUp) return
    copy.chunks.push(chunk)
    copy.bytes += chunk.byteLength
    this.#bytes += chunk.byteLength
    if (copy.bytes > MAX_COPY_BYTES) this.giveUp(copy)
    for (const oldest of this.#copies) {
      if (this.#bytes <= MAX_BYTES) return
      this.giveUp(oldest)
    }
  }

  /** Returns the chunks of a complete response, or undefined if its copy was given up. */
  end(copy: ResponseCopy): readonly Uint8Array[] | undefined {
    this.#forget(copy)
    return copy.isGivenUp ? undefined : copy.chunks
  }

  giveUp(copy: ResponseCopy): void {
    this.#forget(copy)
    copy.isGivenUp = true
    copy.chunks.length = 0
  }

  #forget(copy: ResponseCopy): void {
    if (this.#copies.delete(copy)) this.#bytes -= copy.bytes
  }
}
