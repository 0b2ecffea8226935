// Answers that a service lets be shared, in Cloudflare's cache, where the route says `cache`. Stricter than RFC 9111, for
// what is shared wrongly is shown to strangers: nothing of a request with credentials, nothing without a lifetime.
import type { RigelError } from '../../core/errors.ts'
import { ok, type Result } from '../../core/result.ts'

/** What is larger passes, and is not kept: it stays in memory until it is whole. */
const MAX_BYTES = 5_000_000
const STATUS = 'cache-status'
/** With these an answer is somebody's, or a part, or no answer at all. */
const PECULIAR = ['authorization', 'cookie', 'range', 'upgrade']
/** What the runtime decodes when it is read: it is kept decoded, for all. */
const CODINGS = ['gzip', 'br']

type Answer = Result<Response, RigelError>

/** `key`: a URL that stands for what the service would be asked. `ask` is called for what the cache has not. */
export async function throughCache(
  request: Request,
  key: string,
  inBackground: (work: Promise<unknown>) => void,
  ask: () => Promise<Answer>,
): Promise<Answer> {
  if (!mayAsk(request)) return ask()
  const known = await caches.default.match(key)
  if (known !== undefined) return ok(withStatus(new Response(known.body, known), 'rigel; hit'))
  const asked = await ask()
  if (!asked.ok || !mayKeep(asked.value)) return asked
  const { promise, resolve } = Promise.withResolvers<Uint8Array[] | undefined>()
  const { status } = asked.value
  const headers = new Headers(asked.value.headers)
  for (const name of ['content-encoding', 'content-length']) headers.delete(name)
  const response = new Response(collect(asked.value.body, resolve), { status, headers })
  inBackground(promise.then((chunks) => chunks && caches.default.put(key, new Response(new Blob(chunks), { headers }))))
  return ok(withStatus(response, 'rigel; fwd=miss; stored'))
}

function mayAsk(request: Request): boolean {
  const asksForFresh = /no-cache|no-store|max-age=0/i.test(request.headers.get('cache-control') ?? '')
  return request.method === 'GET' && !asksForFresh && !PECULIAR.some((name) => request.headers.has(name))
}

function mayKeep({ headers, status }: Response): boolean {
  const control = headers.get('cache-control') ?? ''
  const lifetime = /(?:^|[\s,])s-maxage=(\d+)/i.exec(control) ?? /(?:^|[\s,])max-age=(\d+)/i.exec(control)
  const isForAll = Number(lifetime?.[1] ?? 0) > 0 && !/private|no-store|no-cache/i.test(control)
  const varies = (headers.get('vary') ?? '')
    .split(',')
    .some((name) => !['', 'accept-encoding'].includes(name.trim().toLowerCase()))
  const isSmall = Number(headers.get('content-length') ?? 0) <= MAX_BYTES
  const coding = headers.get('content-encoding')
  const isReadable = coding === null || CODINGS.includes(coding.toLowerCase())
  return status === 200 && isForAll && isSmall && isReadable && !varies && !headers.has('set-cookie')
}

/** Passes the body on at the client's pace, and says what it was: undefined if it was too large, or did not end well. */
function collect(body: ReadableStream | null, done: (chunks: Uint8Array[] | undefined) => void): ReadableStream {
  const reader = (body ?? new Blob([]).stream()).getReader() as ReadableStreamDefaultReader<Uint8Array>
  const chunks: Uint8Array[] = []
  let gotBytes = 0
  const pull = async (controller: ReadableStreamDefaultController<Uint8Array>): Promise<void> => {
    const { value } = await reader.read()
    if (value === undefined) {
      controller.close()
      done(gotBytes > MAX_BYTES ? undefined : chunks)
      return
    }
    gotBytes += value.byteLength
    if (gotBytes <= MAX_BYTES) chunks.push(value)
    else chunks.length = 0
    controller.enqueue(value)
  }
  return new ReadableStream<Uint8Array>({
    pull: async (controller) => {
      try {
        await pull(controller)
      } catch (error) {
        done(undefined)
        throw error
      }
    },
    cancel: (reason) => {
      done(undefined)
      return reader.cancel(reason)
    },
  })
}

function withStatus(response: Response, status: string): Response {
  response.headers.set(STATUS, status)
  return response
}
