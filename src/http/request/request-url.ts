// Reads the parts of a request's URL that routing needs. A URL with a plain path and a known origin is not parsed,
// because creating a URL object takes longer than finding the route. Used by app.ts, the proxy and events/.

export interface RequestUrl {
  /** `http` or `https`. */
  readonly scheme: string
  /** With a port other than the scheme's. */
  readonly host: string
  /** The path after normalization by the URL standard. */
  readonly path: string
  /** The query as the client wrote it, with its `?`, or empty. A URL object loses a lone `?`. */
  readonly search: string
}

/**
 * A path that parsing leaves as it is: no escapes, no other characters that are encoded, and no segment with a dot
 * first.
 */
const PLAIN = /^(https?:\/\/[^/?#]+)((?:\/(?!\.)[\w.~!$&()*+,;=:@-]*)+)(\?[^#]*)?$/

/** Limit of cached origins: clients choose the host. */
const MAX_ORIGINS = 100
const origins = new Map<string, Pick<RequestUrl, 'scheme' | 'host'>>()

/** Returns undefined if `text` is not a valid URL. It contains the client's `Host`. */
export function parseRequestUrl(text: string): RequestUrl | undefined {
  const [, origin = '', path = '', search = ''] = PLAIN.exec(text) ?? []
  const known = origins.get(origin)
  if (known !== undefined) return { scheme: known.scheme, host: known.host, path, search }
  const url = URL.parse(text)
  if (url === null) return undefined
  const parsed = { scheme: url.protocol.slice(0, -1), host: url.host }
  if (origins.size >= MAX_ORIGINS) origins.clear()
  if (origin !== '') origins.set(origin, parsed)
  return { ...parsed, path: url.pathname, search: rawSearch(text) }
}

function rawSearch(text: string): string {
  const [beforeHash = ''] = text.split('#', 1)
  const start = beforeHash.indexOf('?')
  return start < 0 ? '' : beforeHash.slice(start)
}
