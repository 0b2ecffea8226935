// The close codes of WebSockets and SSE streams, and what else a close frame may say. errors.ts maps errors to them. Pure.

/** How a connection is closed: the close code of a WebSocket (RFC 6455, 7.4) and its reason. SSE sends both as an event. */
export interface Close {
  /** 3000–3499 and 4000–4499: come back; 3500–3999 and 4500–4999: don't, the same request would be refused again. */
  readonly code: number
  /** At most 123 bytes, as RFC 6455 (5.5.1) allows. */
  readonly reason: string
}

/** The close codes of WebSockets and SSE streams: the public table of docs/protocol.md. A code is never reused. */
export const CLOSE = {
  lifetimeReached: { code: 4000, reason: 'Maximum lifetime reached, come back.' },
  slowReader: { code: 4001, reason: 'Reader too slow, come back and resume.' },
  tooMany: { code: 4002, reason: 'Reached maximum number of connections' },
  unavailable: { code: 4003, reason: 'Temporarily unavailable.' },
  gone: { code: 4004, reason: 'Connection no longer exists.' },
  moved: { code: 4006, reason: 'Moved to another shard, come back.' },
  silent: { code: 4005, reason: 'No message came from the client in time, come back.' },
  tokenExpired: { code: 4500, reason: 'Token expired.' },
  sessionKilled: { code: 4501, reason: 'Session killed.' },
  invalidToken: { code: 4502, reason: 'Invalid token.' },
  notAuthorized: { code: 4503, reason: 'Not authorized.' },
  tooLarge: { code: 4505, reason: 'Message too large.' },
  badRequest: { code: 4506, reason: 'Bad request.' },
  byOperator: { code: 4507, reason: 'Closed by an operator.' },
} as const satisfies Record<string, Close>

/** A control frame has at most 125 bytes, of which the close code takes two (RFC 6455, 5.5). */
const MAX_REASON_BYTES = 123

/** Returns as much of the text as a close frame may have. Cuts between characters, never inside one. */
export function cutToReason(text: string): string {
  const { read } = new TextEncoder().encodeInto(text, new Uint8Array(MAX_REASON_BYTES))
  return text.slice(0, read)
}
