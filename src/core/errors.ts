// Why something was refused or ended: the one union of reasons, and its only two ways out, to HTTP and to WebSocket
// close codes. Inside, a reason is rich (what was got, what would be right); outside it is one line and a stable code.

export type RigelError =
  | { readonly kind: 'bad_request'; readonly message: string }
  | { readonly kind: 'invalid_subscriptions'; readonly message: string }
  | { readonly kind: 'too_many_subscriptions'; readonly limit: number; readonly got: number }
  | { readonly kind: 'not_a_cloud_event'; readonly message: string }
  | { readonly kind: 'event_too_large'; readonly limitBytes: number; readonly gotBytes: number }
  | { readonly kind: 'too_many_events'; readonly limit: number }
  | { readonly kind: 'unsupported_content_type'; readonly message: string }
  | { readonly kind: 'not_acceptable'; readonly message: string }
  | { readonly kind: 'no_token' }
  | { readonly kind: 'invalid_token'; readonly message: string }
  | { readonly kind: 'token_expired' }
  | { readonly kind: 'subscription_denied' }
  /** As `subscription_denied`, when a connection is opened: RIG answers that with another status and text. */
  | { readonly kind: 'connection_denied' }
  | { readonly kind: 'submission_denied' }
  | { readonly kind: 'invalid_connection_token' }
  | { readonly kind: 'connection_gone' }
  | { readonly kind: 'foreign_connection' }
  | { readonly kind: 'too_many_connections'; readonly scope: 'shard' | 'minute' | 'address' | 'user' | 'session' }
  | { readonly kind: 'slow_reader'; readonly limitBytes: number }
  | { readonly kind: 'lifetime_reached' }
  /** Nothing was heard of the client for too long. */
  | { readonly kind: 'silent' }
  | { readonly kind: 'session_killed' }
  /** By the internal API. */
  | { readonly kind: 'closed_by_operator' }
  /** Its token names a session that has been revoked. */
  | { readonly kind: 'session_revoked'; readonly session: string }
  | { readonly kind: 'protocol_violation'; readonly message: string }
  /** No API definition takes the request. */
  | { readonly kind: 'no_route' }
  | { readonly kind: 'method_not_allowed' }
  /** A target is Rigel itself. */
  | { readonly kind: 'loop' }
  | { readonly kind: 'authentication_failed' }
  /** The token is good, but has not what the route asks for. */
  | { readonly kind: 'insufficient_scope'; readonly missing: string }
  | { readonly kind: 'rate_limited' }
  | { readonly kind: 'body_too_large'; readonly limitBytes: number }
  | { readonly kind: 'upstream_unreachable' }
  /** Taken out for a moment, after failures in a row. */
  | { readonly kind: 'upstream_unavailable' }
  | { readonly kind: 'upstream_timeout'; readonly timeoutMs: number }
  /** The answer to a request that was published, or answered with 202, did not come. */
  | { readonly kind: 'answer_timeout'; readonly timeoutMs: number }
  | { readonly kind: 'unavailable'; readonly message: string }

export interface HttpFailure {
  readonly status: 400 | 401 | 403 | 404 | 405 | 406 | 410 | 413 | 415 | 429 | 502 | 503 | 504 | 508
  readonly message: string
}

/** Reason → HTTP status and text. RIG's statuses and texts where RIG has them. */
export function toHttp(reason: RigelError): HttpFailure {
  switch (reason.kind) {
    case 'bad_request':
    case 'invalid_subscriptions':
    case 'not_a_cloud_event':
    case 'protocol_violation':
      return { status: 400, message: reason.message }
    case 'too_many_subscriptions':
      return { status: 400, message: `Too many subscriptions: got ${reason.got}, at most ${reason.limit} are allowed.` }
    case 'event_too_large':
      return {
        status: 413,
        message: `Event too large: ${reason.gotBytes} bytes, at most ${reason.limitBytes} are allowed.`,
      }
    case 'too_many_events':
      return { status: 413, message: `Batch too large: at most ${reason.limit} events are allowed.` }
    case 'unsupported_content_type':
      return { status: 415, message: reason.message }
    case 'not_acceptable':
      return { status: 406, message: reason.message }
    case 'no_token':
      return { status: 401, message: 'A token is required.' }
    case 'invalid_token':
      return { status: 400, message: `could not parse subscriptions: could not decode JWT: ${reason.message}` }
    case 'token_expired':
      return { status: 400, message: 'could not parse subscriptions: could not decode JWT: token expired' }
    case 'session_revoked':
      return { status: 400, message: `could not parse subscriptions: could not decode JWT: ${revoked(reason.session)}` }
    case 'subscription_denied':
      return { status: 403, message: 'Subscription denied.' }
    case 'connection_denied':
      return { status: 400, message: 'Subscription denied (not authorized).' }
    case 'submission_denied':
      return { status: 403, message: 'Submission denied.' }
    case 'invalid_connection_token':
      return { status: 400, message: 'Invalid connection token.' }
    case 'connection_gone':
      return { status: 410, message: 'Connection no longer exists.' }
    case 'foreign_connection':
      return { status: 403, message: 'The token is of another user than the connection.' }
    case 'too_many_connections':
      return { status: 429, message: 'Reached maximum number of connections' }
    case 'slow_reader':
      return { status: 503, message: `The reader is too slow: more than ${reason.limitBytes} bytes wait for it.` }
    case 'lifetime_reached':
      return { status: 503, message: 'The connection reached its maximum lifetime.' }
    case 'silent':
      return { status: 410, message: 'Nothing was heard of the client for too long.' }
    case 'closed_by_operator':
      return { status: 410, message: 'The connection was closed by an operator.' }
    case 'session_killed':
      return { status: 403, message: 'Session killed.' }
    case 'no_route':
      return { status: 404, message: 'Not Found' }
    case 'method_not_allowed':
      return { status: 405, message: 'Method not allowed.' }
    case 'loop':
      return { status: 508, message: 'Loop detected: a target of an API definition is Rigel itself.' }
    case 'authentication_failed':
      return { status: 401, message: 'Authentication failed.' }
    case 'insufficient_scope':
      return { status: 403, message: `The token has not what this needs: ${reason.missing}` }
    case 'rate_limited':
      return { status: 429, message: 'Too many requests.' }
    case 'body_too_large':
      return { status: 413, message: `Body too large: at most ${reason.limitBytes} bytes are allowed.` }
    case 'upstream_unreachable':
      return { status: 502, message: 'Bad gateway: the service could not be reached.' }
    case 'upstream_unavailable':
      return { status: 503, message: 'The service failed several times in a row, and is given a moment.' }
    case 'upstream_timeout':
      return { status: 504, message: `The service did not answer within ${reason.timeoutMs} ms.` }
    case 'answer_timeout':
      return { status: 504, message: `No answer came within ${reason.timeoutMs} ms.` }
    case 'unavailable':
      return { status: 503, message: reason.message }
  }
}

/** RIG's text. */
export function revoked(session: string): string {
  return `Ignoring blacklisted JWT with ID ${JSON.stringify(session)}`
}

export interface Close {
  /** 3000–3499 and 4000–4499: come back; 3500–3999 and 4500–4999: don't, the same request would be refused again. */
  readonly code: number
  /** At most 123 bytes, as RFC 6455 allows. */
  readonly reason: string
}

/** Reason → WebSocket close. The public table stands in docs/protocol.md; codes are never reused. */
export function toClose(reason: RigelError): Close {
  switch (reason.kind) {
    case 'lifetime_reached':
      return { code: 4000, reason: 'Maximum lifetime reached, come back.' }
    case 'slow_reader':
      return { code: 4001, reason: 'Reader too slow, come back and resume.' }
    case 'rate_limited':
    case 'too_many_connections':
      return { code: 4002, reason: 'Reached maximum number of connections' }
    case 'upstream_unreachable':
    case 'upstream_unavailable':
    case 'upstream_timeout':
    case 'answer_timeout':
    case 'unavailable':
      return { code: 4003, reason: 'Temporarily unavailable.' }
    case 'silent':
      return { code: 4005, reason: 'Nothing was heard of you, come back.' }
    case 'connection_gone':
      return { code: 4004, reason: 'Connection no longer exists.' }
    case 'token_expired':
      return { code: 4500, reason: 'Token expired.' }
    case 'closed_by_operator':
      return { code: 4507, reason: 'Closed by an operator.' }
    case 'session_killed':
    case 'session_revoked':
      return { code: 4501, reason: 'Session killed.' }
    case 'no_token':
    case 'authentication_failed':
    case 'invalid_token':
      return { code: 4502, reason: 'Invalid token.' }
    case 'subscription_denied':
    case 'connection_denied':
    case 'submission_denied':
    case 'insufficient_scope':
    case 'foreign_connection':
      return { code: 4503, reason: 'Not authorized.' }
    case 'protocol_violation':
      return { code: 4504, reason: reason.message.slice(0, 60) }
    case 'body_too_large':
    case 'event_too_large':
    case 'too_many_events':
      return { code: 4505, reason: 'Message too large.' }
    case 'bad_request':
    case 'no_route':
    case 'method_not_allowed':
    case 'loop':
    case 'invalid_subscriptions':
    case 'too_many_subscriptions':
    case 'not_a_cloud_event':
    case 'unsupported_content_type':
    case 'not_acceptable':
    case 'invalid_connection_token':
      return { code: 4506, reason: 'Bad request.' }
  }
}
