// The connection token: the capability with which a client, or a service that it trusts, replaces a connection's
// subscriptions. It consists of the shard and an id of 128 random bits, which cannot be guessed, so it needs no signature.
// Opaque to clients. Pure; used by the Worker and the shards.

/** Where a connection is: the number of its shard, and its id there. */
export interface ConnectionAddress {
  readonly shard: number
  /** 32 hex digits. */
  readonly connectionId: string
}

const TOKEN = /^(\d{1,10})\.([0-9a-f]{32})$/

/** Returns `<shard>.<connection id>`. */
export function formatConnectionToken(address: ConnectionAddress): string {
  return `${address.shard}.${address.connectionId}`
}

/** Returns undefined if the text is no connection token. */
export function parseConnectionToken(token: string): ConnectionAddress | undefined {
  const match = TOKEN.exec(token)
  if (!match?.[1] || !match[2]) return undefined
  return { shard: Number(match[1]), connectionId: match[2] }
}
