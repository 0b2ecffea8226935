// The headers of a request on its way to a service. Hop-by-hop headers are removed (RFC 9110, section 7.6.1). Headers that
// identify the caller, its address or the URL are set by Rigel, never by the client. Called once for each proxied request.
import type { HeaderChanges } from '../../../api-definitions/api-route.ts'
import { isDropped, type HeaderRoute } from './dropped-headers.ts'
import type { RequestUrl } from '../../request/request-url.ts'
import type { Trace } from '../../../telemetry/trace-context.ts'

/** Verified claims travel in headers with this prefix. */
export const CLAIM_PREFIX = 'x-rigel-'

const VIA = '1.1 rigel'
/** No deployment chains more gateways than this. */
const MAX_HOPS = 5

export interface Client {
  /** Null without Cloudflare's edge. */
  readonly address: string | null
  /** The `Host` that was asked for, and `http` or `https`. */
  readonly host: string
  readonly scheme: string
}

/** A client's headers by their names, in lower case. */
export type IncomingHeaders = ReadonlyMap<string, string>

/** Reads all headers at once, because each look-up in a Headers object is a call into the runtime. */
export function readHeaders(headers: Headers): IncomingHeaders {
  const read = new Map<string, string>()
  headers.forEach((value, name) => void read.set(name, value))
  return read
}

export function clientOf(incoming: IncomingHeaders, { host, scheme }: RequestUrl): Client {
  return {
    address: incoming.get('cf-connecting-ip') ?? null,
    host: incoming.get('host') ?? host,
    scheme,
  }
}

/** `incoming` has the headers of `original`, which the runtime copies by itself, faster than one by one. */
export function toUpstreamHeaders(
  original: Headers,
  incoming: IncomingHeaders,
  client: Client,
  trace: Trace,
  route: HeaderRoute,
): Headers {
  const headers = new Headers(original)
  const named = namedBy(incoming.get('connection'))
  for (const name of incoming.keys()) {
    if (named.has(name) || isDropped(name, incoming, route)) headers.delete(name)
  }
  addForwarding(headers, client)
  headers.append('via', VIA)
  headers.set('traceparent', trace.traceparent)
  if (trace.tracestate !== null) headers.set('tracestate', trace.tracestate)
  changeHeaders(headers, route.requestHeaders)
  return headers
}

export function changeHeaders(headers: Headers, changes: HeaderChanges): void {
  for (const name of changes.remove) headers.delete(name)
  for (const [name, value] of changes.set) headers.set(name, value)
}

/** If the target is Rigel itself, each request would cause another one, without an end. */
export function isLoop(incoming: IncomingHeaders): boolean {
  const via = incoming.get('via')
  return via !== undefined && via.split(',').filter((hop) => hop.trim() === VIA).length >= MAX_HOPS
}

const NONE: ReadonlySet<string> = new Set()

/** Returns the names, in lower case, that `Connection` lists: they are for one hop. workerd removes `Connection` itself. */
export function namedBy(connection: string | undefined): ReadonlySet<string> {
  if (connection === undefined) return NONE
  const names = connection.split(',').map((name) => name.trim().toLowerCase())
  return new Set(names.filter((name) => /^[!#$%&'*+.^_`|~0-9a-z-]+$/.test(name)))
}

/** Quotes a value that is not a token, such as an IPv6 address (RFC 7239, section 4). */
function addForwarding(headers: Headers, { address, host, scheme }: Client): void {
  const node = address === null ? 'unknown' : address.includes(':') ? `"[${address}]"` : address
  const quotedHost = host.includes('"') || host.includes('\\') ? host.replaceAll(/["\\]/g, '') : host
  headers.set('forwarded', `for=${node};host="${quotedHost}";proto=${scheme}`)
  headers.set('x-forwarded-for', address ?? 'unknown')
  headers.set('x-forwarded-host', host)
  headers.set('x-forwarded-proto', scheme)
}
