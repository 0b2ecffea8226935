// Determines the client's address of a request. Cloudflare's edge sets `cf-connecting-ip`; without the edge a client
// could forge this header, so main.ts calls this for each request and sets it. Pure.

/**
 * Returns the client's address. `peer` is the other end of the connection in workerd's form:
 * `[::ffff:10.0.0.1]:54106`. Each of `trustedProxies` proxies in front appends an address to X-Forwarded-For; entries
 * further left come from the client and are ignored. Undefined if there is no peer (a Unix socket), or if the header
 * has fewer entries than there are proxies.
 */
export function clientAddress(
  peer: string | undefined,
  forwardedFor: string | null,
  trustedProxies: number,
): string | undefined {
  if (trustedProxies === 0) return peer === undefined ? undefined : withoutPort(peer)
  const entries = (forwardedFor ?? '').split(',').map((entry) => entry.trim())
  const entry = entries.at(-trustedProxies)
  return entry === undefined || entry === '' ? undefined : withoutPort(entry)
}

/** Converts an IPv4-mapped IPv6 address (RFC 4291, section 2.5.5.2) to IPv4, so that a client has one address. */
function withoutPort(text: string): string {
  const bracketed = /^\[([^\]]+)\](?::\d+)?$/.exec(text)?.[1]
  const address = bracketed ?? /^(\d+\.\d+\.\d+\.\d+):\d+$/.exec(text)?.[1] ?? text
  return /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1] ?? address
}
