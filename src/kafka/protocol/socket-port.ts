// The socket interface that a broker connection needs. socket.ts implements it with cloudflare:sockets, tests with Node's
// sockets.

/** An open byte stream in both directions. */
export interface BrokerSocket {
  /** Returns exactly `count` bytes, or undefined if the other side closed first. */
  readExactly(count: number): Promise<Uint8Array | undefined>
  write(bytes: Uint8Array): Promise<void>
  close(): void
}

/** Host name or IP address, and port. IPv6 addresses are without brackets. */
export interface SocketAddress {
  readonly host: string
  readonly port: number
}

/** Opens a socket. Throws a ConnectionError. */
export type OpenSocket = (address: SocketAddress) => Promise<BrokerSocket>

/** Puts an IPv6 address into brackets, which cloudflare:sockets requires and brokers do not advertise. */
export function hostnameOf(host: string): string {
  return host.includes(':') && !host.startsWith('[') ? `[${host}]` : host
}
