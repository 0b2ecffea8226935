// Caches responses in Cloudflare's cache, where the route has `cache`. Stricter than RFC 9111, because a response that is
// shared by mistake shows one user's data to another: no request with credentials, no response without a lifetime.
import type { RigelError } from '../../core/errors.ts'
import { ok, type Result } from '../../core/result.ts'
import { MAX_COPY_BYTES, type ResponseCopies } from './response-copies.ts'

const STATUS = 'cache-status'
/** The response to a request with one of these headers is for one user, is partial, or is a socket. */
const UNCACHEABLE = ['authorization', 'cookie', 'range', 'upgrade']
/** The runtime decodes these when the body is read: the cache has the decoded body, for all clients. */
const CODINGS = ['gzip', 'br']

type ServiceResult = Result<Response, RigelError>

interface CacheDeps {
  readonly copies: ResponseCopies
  readonly waitUntil: (work: Promise<unknown>) => void
}

/** `key` is a URL that identifies the request. `ask` is called if the cache does not have the response. */
export async function throughCache(
  request: Request,
  key: string,
  { copies, waitUntil }: CacheDeps,
  ask: () => Promise<ServiceResult>,
): Promise<ServiceResult> {
  if (!mayAsk(request)) return ask()
  const known = await caches.default.match(key)
  if (known !== undefined) return ok(withStatus(new Response(known.body, known), 'rigel; hit'))
  const asked = await ask()
  if (!asked.ok || !mayKeep(asked.value)) return asked
  const { promise, resolve } = Promise.withResolvers<readonly Uint8Array[] | undefined>()
  const { status } = asked.value
  const headers = new Headers(asked.value.headers)
  for (const name of ['content-encoding', 'content-length']) headers.delete(name)
  const response = new Response(collect(asked.value.body, copies, resolve), { status, headers })
  waitUntil(
    promise.then((chunks) => chunks && caches.default.put(key, new Response(new Blob([...chunks]), { headers }))),
  )
  return ok(withStatus(response, 'rigel; fwd=miss; stored'))
}

function mayAsk(request: Request): boolean {
  const asksForFresh = /no-cache|no-store|max-age=0/i.test(request.headers.get('cache-control') ?? '')
  return request.method === 'GET' && !asksForFresh && !UNCACHEABLE.some((name) => request.headers.has(name))
}

function mayKeep({ headers, status }: Response): boolean {
  const control = headers.get('cache-control') ?? ''
  const lifetime = /(?:^|[\s,])s-maxage=(\d+)/i.exec(control) ?? /(?:^|[\s,])max-age=(\d+)/i.exec(control)
  const isForAll = Number(lifetime?.[1] ?? 0) > 0 && !/private|no-store|no-cache/i.test(control)
  const varies = (headers.get('vary') ?? '')
    .split(',')
    .some((name) => !['', 'accept-encoding'].includes(name.trim().toLowerCase()))
  const isSmall = Number(headers.get('content-length') ?? 0) <= MAX_COPY_BYTES
  const coding = headers.get('content-encoding')
  const isReadable = coding === null || CODINGS.includes(coding)
  return status === 200 && isForAll && isSmall && isReadable && !varies && !headers.has('set-cookie')
}

/** Passes the body on at the client's pace and reports its chunks; undefined if its copy was given up, or it broke off. */
function collect(
  body: ReadableStream | null,
  copies: ResponseCopies,
  done: (chunks: readonly Uint8Array[] | undefined) => void,
): ReadableStream {
  const reader = (body ?? new Blob([]).stream()).getReader() as ReadableStreamDefaultReader<Uint8Array>
  const copy = copies.begin()
  const breakOff = () => {
    copies.giveUp(copy)
    done(undefined)
  }
  const pull = async (controller: ReadableStreamDefaultController<Uint8Array>): Promise<void> => {
    const { value } = await reader.read()
    if (value === undefined) {
      controller.close()
      done(copies.end(copy))
      return
    }
    copies.add(copy, value)
    controller.enqueue(value)
  }
  return new ReadableStream<Uint8Array>({
    pull: async (controller) => {
      try {
        await pull(controller)
      } catch (error) {
        breakOff()
        throw error
      }
    },
    cancel: (reason) => {
      breakOff()
      return reader.cancel(reason)
    },
  })
}

function withStatus(response: Response, status: string): Response {
  response.headers.set(STATUS, status)
  return response
}
