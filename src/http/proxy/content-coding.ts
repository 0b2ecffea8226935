// A response's content coding. Responses pass as the service encoded them. The body is decoded only for a client that does
// not accept gzip or Brotli. Partial responses (206) and codings that the runtime does not know always pass. For forward.ts.
import type { OutgoingRequest } from './proxy-context.ts'

/** The runtime decodes these when the header is removed. It compares names exactly. */
const DECODED_BY_RUNTIME = new Set(['gzip', 'br'])
const GZIP = new Set(['gzip', 'x-gzip'])

/** Returns null if the response passes as it is, else the decoded body: the caller then removes the headers of the coding. */
export function decodedFor(outgoing: OutgoingRequest, response: Response): ReadableStream | null {
  const written = response.headers.get('content-encoding')
  if (written === null || response.status === 206) return null
  const coding = written.trim().toLowerCase()
  const { body } = response
  if (body === null || accepts(outgoing, coding)) return null
  if (DECODED_BY_RUNTIME.has(written)) return body
  // Content codings are case-insensitive (RFC 9110, section 8.4.1), but the runtime does not decode `GZIP`.
  return GZIP.has(coding) ? body.pipeThrough(new DecompressionStream('gzip')) : null
}

function accepts({ incoming, request }: OutgoingRequest, coding: string): boolean {
  // Cloudflare's edge asks for more codings than the client did, and says what the client accepts.
  const edge = (request.cf as IncomingRequestCfProperties | undefined)?.clientAcceptEncoding
  const names = (edge ?? incoming.get('accept-encoding') ?? '')
    .toLowerCase()
    .split(',')
    .filter((item) => !/;\s*q=0(?:\.0*)?\s*$/.test(item))
    .map((item) => (item.split(';')[0] ?? '').trim())
  return names.includes(coding) || names.includes('*') || (GZIP.has(coding) && names.some((name) => GZIP.has(name)))
}
