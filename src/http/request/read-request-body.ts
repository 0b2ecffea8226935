// Reads the body of a request to Rigel itself: decoded by its Content-Encoding, up to a limit that counts decoded bytes, so
// that no sender decides how much memory is used. Called by every endpoint that reads a body, except the proxy, which
// passes bodies on as they are.
import type { RigelError } from '../../core/errors.ts'
import { readBody } from '../../core/http-body.ts'
import { fail, ok, type Result } from '../../core/result.ts'

/** What the runtime decodes (Compression Streams). `x-gzip` is gzip (RFC 9110, 8.4.1.3); `deflate` there is zlib's format. */
const FORMATS: Readonly<Record<string, 'gzip' | 'deflate'>> = { gzip: 'gzip', 'x-gzip': 'gzip', deflate: 'deflate' }

export async function readRequestBody(request: Request, limitBytes: number): Promise<Result<Uint8Array, RigelError>> {
  const coding = (request.headers.get('content-encoding') ?? '').trim().toLowerCase()
  if (coding === '' || coding === 'identity') return readDeclared(request, limitBytes)
  const format = FORMATS[coding]
  if (format === undefined) return fail({ kind: 'unsupported_content_encoding', coding })
  return readEncoded(request, format, limitBytes)
}

/**
 * Reads a body of a declared length in one step, which costs less CPU than its chunks do. HTTP
 * allows no body that is longer than its content-length.
 */
async function readDeclared(request: Request, limitBytes: number): Promise<Result<Uint8Array, RigelError>> {
  const declared = request.headers.get('content-length')
  if (declared === null || !(Number(declared) <= limitBytes)) return readPlain(request, limitBytes)
  const bytes = new Uint8Array(await request.arrayBuffer())
  return bytes.length > limitBytes ? fail({ kind: 'body_too_large', limitBytes }) : ok(bytes)
}

async function readPlain(request: Request | Response, limitBytes: number): Promise<Result<Uint8Array, RigelError>> {
  const body = await readBody(request, limitBytes)
  return body.ok ? ok(body.bytes) : fail({ kind: 'body_too_large', limitBytes })
}

async function readEncoded(
  request: Request,
  format: 'gzip' | 'deflate',
  limitBytes: number,
): Promise<Result<Uint8Array, RigelError>> {
  if (request.body === null) return ok(new Uint8Array())
  try {
    const decoded = request.body.pipeThrough(new DecompressionStream(format))
    return await readPlain(new Response(decoded), limitBytes)
  } catch (error) {
    const details = error instanceof Error ? error.message : String(error)
    return fail({
      kind: 'bad_request',
      message: `The request body is not ${format}, as its content-encoding says: ${details}`,
    })
  }
}
