// A service's response on its way to the client. Most need no change and pass as they are, which costs nothing; the others
// are copied once. For forward.ts.
import { AS_OF_HEADER } from '../../core/as-of/as-of.ts'
import type { Route, Upstream } from '../../api-definitions/api-route.ts'
import { decodedFor } from './content-coding.ts'
import { changeHeaders, namedBy } from './headers/headers.ts'
import type { OutgoingRequest } from './proxy-context.ts'

/** A hop-by-hop header that workerd does not remove. */
const CHALLENGE = 'proxy-authenticate'
/** A service that answers other origins need not know of the headers that a page reads for Rigel. */
const ALLOWED_ORIGIN = 'access-control-allow-origin'
const EXPOSED = 'access-control-expose-headers'
/** Headers that name a URL of the service. */
const URLS = ['location', 'content-location']

export function toClientResponse(
  response: Response,
  upstream: Upstream,
  { policy, responseHeaders }: Pick<Route, 'policy' | 'responseHeaders'>,
  outgoing: OutgoingRequest,
): Response {
  // The response to an upgrade belongs to its socket.
  if (response.webSocket) return response
  const { headers } = response
  const named = namedByConnection(headers)
  const isChallenge = headers.has(CHALLENGE)
  const decoded = decodedFor(outgoing, response)
  const urls = policy.rewriteLocation ? rewrittenUrls(headers, upstream, outgoing) : []
  const isChanged = isToExpose(headers) || responseHeaders.set.length + responseHeaders.remove.length + urls.length > 0
  if (!isChanged && !isChallenge && named === null && decoded === null) return response
  const changed = new Headers(headers)
  if (named !== null) for (const name of [...namedBy(named), 'connection']) changed.delete(name)
  changed.delete(CHALLENGE)
  if (decoded !== null) for (const name of ['content-encoding', 'content-length']) changed.delete(name)
  for (const [name, value] of urls) changed.set(name, value)
  changeHeaders(changed, responseHeaders)
  if (isToExpose(changed)) changed.append(EXPOSED, AS_OF_HEADER)
  const { status, statusText } = response
  return new Response(decoded ?? response.body, { status, statusText, headers: changed })
}

function isToExpose(headers: Headers): boolean {
  return headers.has(AS_OF_HEADER) && headers.has(ALLOWED_ORIGIN)
}

/** Returns null if `Connection` names only headers that workerd removes. */
function namedByConnection(headers: Headers): string | null {
  const connection = headers.get('connection')
  return connection === null || /^\s*(?:keep-alive|close)?\s*$/i.test(connection) ? null : connection
}

/** A URL at the service's own address becomes the same path at the address of the client's request; other URLs stay. */
function rewrittenUrls(
  headers: Headers,
  { base }: Upstream,
  { client }: OutgoingRequest,
): readonly (readonly [name: string, value: string])[] {
  return URLS.flatMap((name) => {
    const value = headers.get(name)
    const url = value === null ? null : URL.parse(value, `${base}/`)
    const own = new URL(base)
    const basePath = own.pathname === '/' ? '' : own.pathname
    const isOwn = url !== null && url.host === own.host && `${url.pathname}/`.startsWith(`${basePath}/`)
    if (!isOwn || !/^(?:https?:)?\//i.test(value ?? '')) return []
    const path = url.pathname.slice(basePath.length)
    return [
      [name, `${client.scheme}://${client.host}${path.startsWith('/') ? path : `/${path}`}${url.search}${url.hash}`],
    ]
  })
}
