// Who a request comes from, without Cloudflare's edge in front, which writes `cf-connecting-ip` itself: there a client cannot
// forge it, here it could. Pure. Called by main.ts for each request.

/**
 * Returns the client's address. `peer` is the other end of the connection, as workerd has it: `[::ffff:10.0.0.1]:54106`.
 * `trustedProxies` proxies in front append to X-Forwarded-For what they see; what a client wrote stands left of that.
 * Undefined if it is unknown: no peer (a Unix socket), or fewer entries than proxies.
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

/** Also turns an IPv4 address in IPv6 form (RFC 4291, section 2.5.5.2) into plain IPv4: one client, one name. */
function withoutPort(text: string): string {
  const bracketed = /^\[([^\]]+)\](?::\d+)?$/.exec(text)?.[1]
  const address = bracketed ?? /^(\d+\.\d+\.\d+\.\d+):\d+$/.exec(text)?.[1] ?? text
  return /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1] ?? address
}
