// The connection token: the capability by which a client, or a service it trusts, replaces a connection's
// subscriptions. It names the shard and an id of 128 random bits; who cannot know the id cannot make the token, so it
// needs no key. Opaque to clients.

export interface ConnectionAddress {
  readonly shard: number
  /** 32 hex digits. */
  readonly connectionId: string
}

const TOKEN = /^(\d{1,6})\.([0-9a-f]{32})$/

export function formatConnectionToken(address: ConnectionAddress): string {
  return `${address.shard}.${address.connectionId}`
}

export function parseConnectionToken(token: string): ConnectionAddress | undefined {
  const match = TOKEN.exec(token)
  if (!match?.[1] || !match[2]) return undefined
  return { shard: Number(match[1]), connectionId: match[2] }
}
