// The headers of a request on its way to a service. Hop-by-hop headers are removed (RFC 9110, section 7.6.1). Headers that
// identify the caller, its address or the URL are set by Rigel, never by the client. Called once for each proxied request.
import { toHex } from '../../core/bytes.ts'
import type { HeaderChanges } from '../../api-definitions/api-route.ts'
import { isDropped } from './caller-headers.ts'

/** Verified claims travel in headers with this prefix. */
export const CLAIM_PREFIX = 'x-rigel-'

const VIA = '1.1 rigel'
/** No deployment chains more gateways than this. */
const MAX_HOPS = 5

/** W3C Trace Context: a higher version may be longer, and its first four fields are read as those of version 00. */
const TRACE_PARENT = /^(?!ff)([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/

export interface Client {
  /** Null without Cloudflare's edge. */
  readonly address: string | null
  /** The `Host` that was asked for, and `http` or `https`. */
  readonly host: string
  readonly scheme: string
}

/** Headers of a request by their names, in lower case. */
export type HeaderMap = Record<string, string>

export interface Trace {
  readonly traceparent: string
  readonly tracestate: string | null
}

export function clientOf({ headers }: Request, url: URL): Client {
  return {
    address: headers.get('cf-connecting-ip'),
    host: headers.get('host') ?? url.host,
    scheme: url.protocol.slice(0, -1),
  }
}

/**
 * Returns a plain object, because a Headers object costs a call into the runtime for each header that is changed.
 * `tokenHeader` is the header in which the route looks for a token; another spelling of it must not reach the service.
 */
export function toUpstreamHeaders(
  incoming: Headers,
  client: Client,
  trace: Trace,
  changes: HeaderChanges,
  tokenHeader: string | null,
): HeaderMap {
  const headers: HeaderMap = {}
  incoming.forEach((value, name) => {
    if (!isDropped(name, incoming, changes, tokenHeader)) headers[name] = value
  })
  const named = incoming.get('connection')
  if (named !== null) for (const name of listOf(named)) delete headers[name.toLowerCase()]
  addForwarding(headers, client)
  headers['via'] = headers['via'] === undefined ? VIA : `${headers['via']}, ${VIA}`
  headers['traceparent'] = trace.traceparent
  if (trace.tracestate === null) delete headers['tracestate']
  for (const name of changes.remove) delete headers[name]
  for (const [name, value] of changes.set) headers[name] = value
  return headers
}

export function changeHeaders(headers: Headers, changes: HeaderChanges): void {
  for (const name of changes.remove) headers.delete(name)
  for (const [name, value] of changes.set) headers.set(name, value)
}

/** Continues the client's trace, or starts one; either way with a span of its own (W3C Trace Context). */
export function traceOf(incoming: Headers): Trace {
  const given = incoming.get('traceparent')
  const known = given === null ? undefined : parseTraceparent(given.trim())
  if (known === undefined) return { traceparent: `00-${randomHex(16)}-${randomHex(8)}-01`, tracestate: null }
  return {
    traceparent: `00-${known.traceId}-${randomHex(8)}-${known.flags}`,
    tracestate: incoming.get('tracestate'),
  }
}

/** If the target is Rigel itself, each request would cause another one, without an end. */
export function isLoop(incoming: Headers): boolean {
  const via = incoming.get('via')
  return via !== null && via.split(',').filter((hop) => hop.trim() === VIA).length >= MAX_HOPS
}

export function randomHex(bytes: number): string {
  return toHex(crypto.getRandomValues(new Uint8Array(bytes)))
}

/** Removes the headers that `Connection` names. workerd removes `Connection` itself. */
export function removeNamed(headers: Headers, connection: string): void {
  for (const name of listOf(connection)) headers.delete(name)
}

function listOf(connection: string): readonly string[] {
  const names = connection.split(',').map((name) => name.trim())
  return names.filter((name) => /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/.test(name))
}

function parseTraceparent(text: string): { readonly traceId: string; readonly flags: string } | undefined {
  const [, version, traceId = '', parentId = '', flags = '', rest] = TRACE_PARENT.exec(text) ?? []
  const isKnown = version !== undefined && !/^0+$/.test(traceId) && !/^0+$/.test(parentId)
  if (!isKnown || (version === '00' && rest !== undefined)) return undefined
  // The flag "sampled" is the only one that a higher version must keep.
  return { traceId, flags: version === '00' ? flags : (Number.parseInt(flags, 16) & 1) === 1 ? '01' : '00' }
}

/** Quotes a value that is not a token, such as an IPv6 address (RFC 7239, section 4). */
function addForwarding(headers: HeaderMap, { address, host, scheme }: Client): void {
  const node = address === null ? 'unknown' : address.includes(':') ? `"[${address}]"` : address
  const quotedHost = host.includes('"') || host.includes('\\') ? host.replaceAll(/["\\]/g, '') : host
  headers['forwarded'] = `for=${node};host="${quotedHost}";proto=${scheme}`
  headers['x-forwarded-for'] = address ?? 'unknown'
  headers['x-forwarded-host'] = host
  headers['x-forwarded-proto'] = scheme
}
