// What a connection needs of a socket. socket.ts has the platform's; tests bring Node's.

export interface BrokerSocket {
  /** Undefined: the other side has closed. */
  readExactly(count: number): Promise<Uint8Array | undefined>
  write(bytes: Uint8Array): Promise<void>
  close(): void
}

export interface SocketAddress {
  readonly host: string
  readonly port: number
}

/** Throws a ConnectionError. */
export type OpenSocket = (address: SocketAddress) => Promise<BrokerSocket>

/** As the platform wants it: brokers advertise addresses of IPv6 without brackets, to which it cannot connect. */
export function hostnameOf(host: string): string {
  return host.includes(':') && !host.startsWith('[') ? `[${host}]` : host
}
