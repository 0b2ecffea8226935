// A request's body on its way to a service, never held: counted up to the route's limit where it does not say its length
// itself (the runtime holds it to that if it does), and its pace told to the deadline.
import type { ResponseTimeout } from './response-timeout.ts'

/** Such a body is there with its head, or soon after it: it passes without being looked at. */
const SMALL_BYTES = 65_536
/** What is read at once: by itself the runtime gives 4 KiB. */
const CHUNK_BYTES = 65_536

export class RequestBody {
  readonly stream: ReadableStream | null
  /** The limit was passed on the way: what the service got is not whole. */
  isExceeded = false
  #deadline: ResponseTimeout | undefined

  /** What says itself that it is too large is not asked for anything: see `isTooLarge`. */
  constructor({ body, headers }: Request, limitBytes: number | null) {
    const declared = headers.get('content-length')
    const isSmall = declared !== null && Number(declared) <= SMALL_BYTES
    if (body === null || declared === '0') this.stream = null
    else if (isSmall) this.stream = body
    else if (declared === null) this.stream = this.#paced(body, limitBytes ?? Infinity)
    else this.stream = ofLength(this.#paced(body, Infinity), Number(declared))
  }

  timedBy(deadline: ResponseTimeout): void {
    this.#deadline = deadline
  }

  #paced(body: ReadableStream, limitBytes: number): ReadableStream<Uint8Array> {
    // Of whatever kind the body is, this can be read in pieces of that size.
    const reader = body.pipeThrough(new IdentityTransformStream()).getReader({ mode: 'byob' })
    let gotBytes = 0
    const pull = async (controller: ReadableStreamDefaultController<Uint8Array>): Promise<void> => {
      this.#deadline?.stand()
      const { done, value } = await reader.read(new Uint8Array(CHUNK_BYTES))
      this.#deadline?.begin()
      gotBytes += value?.byteLength ?? 0
      this.isExceeded = gotBytes > limitBytes
      if (done || value === undefined) controller.close()
      else if (this.isExceeded) controller.error(new RangeError('the body is larger than the route allows'))
      else controller.enqueue(value)
    }
    // Nothing is read ahead: it is asked for when the service takes it.
    return new ReadableStream({ pull, cancel: (reason) => reader.cancel(reason) }, { highWaterMark: 0 })
  }
}

export function isTooLarge({ headers }: Request, limitBytes: number | null): boolean {
  return limitBytes !== null && Number(headers.get('content-length') ?? 0) > limitBytes
}

/** So that the service is told the length, as the client told it. */
function ofLength(body: ReadableStream<Uint8Array>, bytes: number): ReadableStream {
  const { readable, writable } = new FixedLengthStream(bytes)
  // What goes wrong is seen by whoever reads.
  void body.pipeTo(writable).catch(() => undefined)
  return readable
}
