// The headers of a request on its way to a service: what belongs to one hop ends here (RFC 9110, section 7.6.1), what says
// who asked is Rigel's to say, never the client's. Of the answer, Hono's proxy helper removes what belongs to one hop.
import { toHex } from '../../core/bytes.ts'
import type { HeaderChanges } from '../../api-definitions/api-route.ts'

/** Verified claims travel in these. */
export const CLAIM_PREFIX = 'x-rigel-'

const ONE_HOP = [
  'connection',
  'expect',
  'http2-settings',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
]

/**
 * Who asks, for what host, path and method, and what Rigel has verified: whoever sets these decides what services believe
 * of it. In lower case, `_` as `-`, for CGI and WSGI make both the same.
 */
const OURS =
  /^(x-rigel-.*|forwarded|x-forwarded(-.*)?|x-real-ip|true-client-ip|x-client-ip|x-cluster-client-ip|x-original-.*|x-rewrite-url|x-http-method(-override)?|x-method-override|host)$/

const VIA = '1.1 rigel'
/** More Rigels in a row than anybody has. */
const MAX_HOPS = 5

const TRACE_PARENT = /^00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})$/

export interface Client {
  readonly address: string | null
  /** The `Host` that was asked for, and `http` or `https`. */
  readonly host: string
  readonly scheme: string
}

export interface Trace {
  readonly traceparent: string
  readonly tracestate: string | null
}

export function clientOf(request: Request): Client {
  const url = new URL(request.url)
  return {
    address: request.headers.get('cf-connecting-ip'),
    host: request.headers.get('host') ?? url.host,
    scheme: url.protocol.slice(0, -1),
  }
}

export function toUpstreamHeaders(incoming: Headers, client: Client, trace: Trace, changes: HeaderChanges): Headers {
  const headers = withoutOneHop(incoming)
  for (const name of incoming.keys()) if (OURS.test(name.replaceAll('_', '-'))) headers.delete(name)
  for (const [name, value] of Object.entries(forwarding(client))) headers.set(name, value)
  headers.append('via', VIA)
  headers.set('traceparent', trace.traceparent)
  if (trace.tracestate === null) headers.delete('tracestate')
  changeHeaders(headers, changes)
  return headers
}

export function changeHeaders(headers: Headers, changes: HeaderChanges): void {
  for (const name of changes.remove) headers.delete(name)
  for (const [name, value] of changes.set) headers.set(name, value)
}

/** The trace that the client is in, or a new one; either way a span of its own (W3C Trace Context). */
export function traceOf(incoming: Headers): Trace {
  const [, traceId, parentId, flags] = TRACE_PARENT.exec(incoming.get('traceparent')?.trim() ?? '') ?? []
  const isKnown = traceId !== undefined && !/^0+$/.test(traceId) && !/^0+$/.test(parentId ?? '0')
  const trace = isKnown ? traceId : randomHex(16)
  return {
    traceparent: `00-${trace}-${randomHex(8)}-${isKnown ? flags : '01'}`,
    tracestate: isKnown ? incoming.get('tracestate') : null,
  }
}

/** A target is Rigel itself: each round would be another request, and its retry, without an end. */
export function isLoop(incoming: Headers): boolean {
  const hops = (incoming.get('via') ?? '').split(',').filter((hop) => hop.trim() === VIA)
  return hops.length >= MAX_HOPS
}

export function randomHex(bytes: number): string {
  return toHex(crypto.getRandomValues(new Uint8Array(bytes)))
}

/** workerd keeps `Connection` of HTTP/1 to itself, and Cloudflare's edge speaks for the client: it is seldom seen here. */
function withoutOneHop(incoming: Headers): Headers {
  const headers = new Headers(incoming)
  const named = (incoming.get('connection') ?? '').split(',').map((name) => name.trim())
  for (const name of [...ONE_HOP, ...named]) if (/^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/.test(name)) headers.delete(name)
  return headers
}

/** RFC 7239: what is no token, such as an IPv6 address, stands in quotes. */
function forwarding({ address, host, scheme }: Client): Record<string, string> {
  const node = address === null ? 'unknown' : address.includes(':') ? `"[${address}]"` : address
  return {
    forwarded: `for=${node};host="${host.replaceAll(/["\\]/g, '')}";proto=${scheme}`,
    'x-forwarded-for': address ?? 'unknown',
    'x-forwarded-host': host,
    'x-forwarded-proto': scheme,
  }
}
