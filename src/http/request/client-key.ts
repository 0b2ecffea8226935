// By what a client is told apart where a limit is by address. Pure. Used by the limits of connections, publishers, routes, and of
// the failures of a service.

/** Returns one key per client: its IPv4 address, or the /64 prefix of its IPv6 address, within which it can change addresses. */
export function clientKey(address: string | null): string {
  if (address === null || !address.includes(':')) return address ?? 'unknown'
  const [head = '', tail = ''] = address.split('::')
  const groups = head.split(':').filter((group) => group !== '')
  const rest = tail.split(':').filter((group) => group !== '')
  const zeros = address.includes('::') ? Array<string>(Math.max(0, 8 - groups.length - rest.length)).fill('0') : []
  return [...groups, ...zeros, ...rest].slice(0, 4).join(':')
}

/** Returns the key of the budget that pays for events of a client without a user: the client's address. */
export function addressPayer(request: Request): string {
  return `address ${clientKey(request.headers.get('cf-connecting-ip'))}`
}
