// Reads a body up to a limit, whatever its content-length says, so that no sender decides how much memory is used. Called
// for responses of other servers, and by http/read-request-body.ts.
import { concat } from './bytes.ts'

/** The body, or, where it exceeds the limit, the number of bytes that were declared or read. */
export type BodyRead =
  | { readonly ok: true; readonly bytes: Uint8Array }
  | { readonly ok: false; readonly gotBytes: number }

/** Stops and cancels the rest as soon as the limit is exceeded; `gotBytes` is then what was declared or read so far. */
export async function readBody(source: Request | Response, limitBytes: number): Promise<BodyRead> {
  const declaredBytes = Number(source.headers.get('content-length') ?? 0)
  if (declaredBytes > limitBytes) return { ok: false, gotBytes: declaredBytes }
  const chunks: Uint8Array[] = []
  let gotBytes = 0
  if (source.body !== null) {
    for await (const chunk of source.body as ReadableStream<Uint8Array>) {
      gotBytes += chunk.byteLength
      // Leaving the loop cancels the stream.
      if (gotBytes > limitBytes) return { ok: false, gotBytes }
      chunks.push(chunk)
    }
  }
  return { ok: true, bytes: concat(chunks) }
}
