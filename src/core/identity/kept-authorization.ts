// What a connection keeps of its client's token, so that a check service can be asked about subscriptions that come later. Pure.

/** The attachment of a WebSocket holds 16,384 bytes: this, and the record of the connection. */
const MAX_KEPT_TOKEN_CHARS = 8_192

/** Anything else cannot be sent in a header. */
const TOKEN = /^[\x21-\x7e]+$/

/** Returns the header `authorization` for the service; null: the client has no token; undefined: its token cannot be kept. */
export function keptAuthorization(token: string | null): string | null | undefined {
  if (token === null) return null
  return token.length <= MAX_KEPT_TOKEN_CHARS && TOKEN.test(token) ? `Bearer ${token}` : undefined
}
