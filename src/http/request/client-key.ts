// By what a client is told apart where a limit is by address. Pure. Used by the limits of connections, publishers, routes, and of
// the failures of a service.

/** Returns one key per client: its IPv4 address, or the /64 prefix of its IPv6 address, within which it can change addresses. */
export function clientKey(address: string | null): string {
  return prefixOf(address, 4)
}

/**
 * Returns the key of a client's site: its IPv4 address, or the /48 prefix of its IPv6 address, which is the most that one customer
 * of a provider gets (RFC 6177). For limits on what one client does to others, where its own limit is not the point.
 */
export function siteKey(address: string | null): string {
  return prefixOf(address, 3)
}

/** A group has 16 bits. */
function prefixOf(address: string | null, groupCount: number): string {
  if (address === null || !address.includes(':')) return address ?? 'unknown'
  // An IPv4 address, from a socket that listens for both.
  if (/^::ffff:\d+\./i.test(address)) return address.slice('::ffff:'.length)
  const [head = '', tail = ''] = address.split('::')
  const groups = head.split(':').filter((group) => group !== '')
  const rest = tail.split(':').filter((group) => group !== '')
  const zeros = address.includes('::') ? Array<string>(Math.max(0, 8 - groups.length - rest.length)).fill('0') : []
  return [...groups, ...zeros, ...rest].slice(0, groupCount).join(':')
}

/** Returns the key of the budget that pays for events of a client without a user: the client's address. */
export function addressPayer(request: Request): string {
  return `address ${clientKey(request.headers.get('cf-connecting-ip'))}`
}
