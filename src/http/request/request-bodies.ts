// Reads the body of a request to Rigel itself: decoded by its Content-Encoding, up to a limit that counts decoded bytes, within the
// isolate's budget and in time, so that no sender decides how much memory is used and for how long. One per isolate. Called by every
// endpoint that reads a body, except the proxy, which passes bodies on as they are.
import type { RigelError } from '../../core/errors.ts'
import { readBody, type BodyRead } from '../../core/http-body.ts'
import { fail, ok, type Result } from '../../core/result.ts'
import { BodyBudget, SMALL_BYTES, type CountedBody } from './body-budget.ts'
import { clientKey } from './client-key.ts'
import { StallTimer } from './stall-timer.ts'

/** What the runtime decodes (Compression Streams). `x-gzip` is gzip (RFC 9110, 8.4.1.3); `deflate` there is zlib's format. */
const FORMATS: Readonly<Record<string, 'gzip' | 'deflate'>> = { gzip: 'gzip', 'x-gzip': 'gzip', deflate: 'deflate' }

type BodyResult = Result<Uint8Array, RigelError>

/** A body's stream fails if the client ends the connection or its chunks are invalid, never by a bug of Rigel. */
const BROKEN_OFF: BodyResult = fail({
  kind: 'bad_request',
  message: 'The request body ended too early, or its chunks are invalid.',
})

export class RequestBodies {
  readonly #budget = new BodyBudget()

  read(request: Request, limitBytes: number): Promise<BodyResult> {
    const given = request.headers.get('content-encoding')
    const coding = given === null ? '' : given.trim().toLowerCase()
    if (coding === '' || coding === 'identity') return this.#readPlain(request, limitBytes)
    const format = FORMATS[coding]
    if (format === undefined) return Promise.resolve(fail({ kind: 'unsupported_content_encoding', coding }))
    return this.#readEncoded(request, format, limitBytes)
  }

  /**
   * A small body of a declared length comes with its head, or soon after it. It is read in one step: chunks and a timer would cost
   * more CPU. HTTP allows no body that is longer than its content-length.
   */
  async #readPlain(request: Request, limitBytes: number): Promise<BodyResult> {
    const declared = request.headers.get('content-length')
    const isSmall = declared !== null && Number(declared) <= Math.min(SMALL_BYTES, limitBytes)
    const untimed = isSmall ? this.#budget.beginUntimed(Date.now()) : undefined
    if (untimed === undefined) return this.#readTimed(request, request, limitBytes).catch(() => BROKEN_OFF)
    try {
      const bytes = new Uint8Array(await request.arrayBuffer())
      return bytes.length > limitBytes ? fail({ kind: 'body_too_large', limitBytes }) : ok(bytes)
    } catch {
      return BROKEN_OFF
    } finally {
      this.#budget.endUntimed(untimed)
    }
  }

  async #readEncoded(request: Request, format: 'gzip' | 'deflate', limitBytes: number): Promise<BodyResult> {
    if (request.body === null) return ok(new Uint8Array())
    try {
      const decoded = request.body.pipeThrough(new DecompressionStream(format))
      return await this.#readTimed(request, new Response(decoded), limitBytes)
    } catch (error) {
      const details = error instanceof Error ? error.message : String(error)
      return fail({
        kind: 'bad_request',
        message: `The request body is not ${format}, as its content-encoding says: ${details}`,
      })
    }
  }

  async #readTimed(request: Request, source: Request | Response, limitBytes: number): Promise<BodyResult> {
    const address = request.headers.get('cf-connecting-ip')
    const body: CountedBody = { client: address && clientKey(address), bytes: 0, arrivedMs: Date.now() }
    const timer = new StallTimer()
    try {
      const read = await readBody(source, limitBytes, {
        mayHold: (bytes) => this.#budget.hold(body, bytes, Date.now()),
        arrived: () => {
          body.arrivedMs = Date.now()
          timer.arrived(body.arrivedMs)
        },
        late: timer.late,
      })
      return read.ok ? ok(read.bytes) : fail(toError(read, limitBytes))
    } finally {
      timer.clear()
      this.#budget.end(body)
    }
  }
}

function toError({ why }: Extract<BodyRead, { ok: false }>, limitBytes: number): RigelError {
  if (why === 'no_room') return { kind: 'too_many_bodies' }
  return why === 'late' ? { kind: 'body_too_slow' } : { kind: 'body_too_large', limitBytes }
}
