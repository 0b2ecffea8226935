// The table of errors: what each kind is on the wire. It is public, so its values are written out here.
import { describe, expect, it } from 'vitest'
import { toClose, toHttp, type RigelError } from '../../src/core/errors.ts'

const message = 'What was wrong.'

/** One of each kind, with its HTTP status and close code. */
const TABLE: readonly (readonly [RigelError, number, number])[] = [
  [{ kind: 'bad_request', message }, 400, 4506],
  [{ kind: 'invalid_subscriptions', message }, 400, 4506],
  [{ kind: 'too_many_subscriptions', got: 3, limit: 2 }, 400, 4506],
  [{ kind: 'not_a_cloud_event', message }, 400, 4506],
  [{ kind: 'event_too_large', gotBytes: 3, limitBytes: 2 }, 413, 4505],
  [{ kind: 'too_many_events', limit: 2 }, 413, 4505],
  [{ kind: 'body_too_large', limitBytes: 2 }, 413, 4505],
  [{ kind: 'unsupported_content_type', message }, 415, 4506],
  [{ kind: 'unsupported_content_encoding', coding: 'br' }, 415, 4506],
  [{ kind: 'not_acceptable', message }, 406, 4506],
  [{ kind: 'protocol_violation', message }, 400, 4504],
  [{ kind: 'rate_limited' }, 429, 4002],
  [{ kind: 'no_token' }, 401, 4502],
  [{ kind: 'invalid_token', message }, 401, 4502],
  [{ kind: 'token_expired' }, 401, 4500],
  [{ kind: 'session_revoked', session: 's"1' }, 401, 4501],
  [{ kind: 'authentication_failed' }, 401, 4502],
  [{ kind: 'insufficient_scope', missing: 'scope a' }, 403, 4503],
  [{ kind: 'subscription_denied' }, 403, 4503],
  [{ kind: 'connection_denied' }, 400, 4503],
  [{ kind: 'submission_denied' }, 403, 4503],
  [{ kind: 'invalid_connection_token' }, 400, 4506],
  [{ kind: 'connection_gone' }, 410, 4004],
  [{ kind: 'foreign_connection' }, 403, 4503],
  [{ kind: 'wrong_shard' }, 503, 4003],
  [{ kind: 'too_many_connections', scope: 'user' }, 429, 4002],
  [{ kind: 'slow_reader', limitBytes: 2 }, 503, 4001],
  [{ kind: 'lifetime_reached' }, 503, 4000],
  [{ kind: 'silent' }, 410, 4005],
  [{ kind: 'closed_by_operator' }, 410, 4507],
  [{ kind: 'session_killed' }, 403, 4501],
  [{ kind: 'no_route' }, 404, 4506],
  [{ kind: 'method_not_allowed' }, 405, 4506],
  [{ kind: 'loop' }, 508, 4506],
  [{ kind: 'upstream_unreachable' }, 502, 4003],
  [{ kind: 'upstream_unavailable' }, 503, 4003],
  [{ kind: 'upstream_timeout', timeoutMs: 5 }, 504, 4003],
  [{ kind: 'answer_timeout', timeoutMs: 5 }, 504, 4003],
  [{ kind: 'unavailable', message }, 503, 4003],
  [{ kind: 'busy', retryMs: 2_500 }, 503, 4003],
]

describe('the table of errors', () => {
  it.each(TABLE)('gives %j its status and close code', (error, status, code) => {
    expect([toHttp(error).status, toClose(error).code]).toEqual([status, code])
  })

  it.each(TABLE)('has a text for %j, and a close reason of at most 123 bytes', (error) => {
    expect(toHttp(error).message).toMatch(/^\S.*[\w."]$/)
    expect(new TextEncoder().encode(toClose(error).reason).length).toBeLessThanOrEqual(123)
  })

  it('says in the close frame what the body of a refusal says, where it is about parameters or rules', () => {
    expect(toClose({ kind: 'bad_request', message: 'as_of names a/0 twice' }).reason).toBe('as_of names a/0 twice')
    expect(toClose({ kind: 'type_forbidden', message: 'subscribe a: allowed: nobody' }).reason).toBe(
      'Forbidden: subscribe a: allowed: nobody.',
    )
  })

  it('cuts a long message to what a close frame can carry, also if each character is three bytes', () => {
    const { reason } = toClose({ kind: 'protocol_violation', message: '日'.repeat(500) })
    expect(new TextEncoder().encode(reason).length).toBe(123)
  })

  it("has RIG's texts where RIG has them", () => {
    const text = (error: RigelError) => toHttp(error).message
    expect(text({ kind: 'token_expired' })).toBe('could not parse subscriptions: could not decode JWT: token expired')
    expect(text({ kind: 'session_revoked', session: 's"1' })).toBe(
      'could not parse subscriptions: could not decode JWT: Ignoring blacklisted JWT with ID "s\\"1"',
    )
    expect(text({ kind: 'subscription_denied' })).toBe('Subscription denied.')
    expect(text({ kind: 'connection_denied' })).toBe('Subscription denied (not authorized).')
    expect(text({ kind: 'submission_denied' })).toBe('Submission denied.')
    expect(text({ kind: 'invalid_connection_token' })).toBe('Invalid connection token.')
    expect(text({ kind: 'connection_gone' })).toBe('Connection no longer exists.')
    expect(text({ kind: 'too_many_connections', scope: 'shard' })).toBe('Reached maximum number of connections')
    expect(text({ kind: 'authentication_failed' })).toBe('Authentication failed.')
    expect(text({ kind: 'method_not_allowed' })).toBe('Method not allowed.')
    expect(text({ kind: 'no_route' })).toBe('Not Found')
  })

  it('challenges with an error code where a token came with the request, and with none where no token did', () => {
    expect(toHttp({ kind: 'token_expired' }).challenge).toBe('invalid_token')
    expect(toHttp({ kind: 'insufficient_scope', missing: 'scope a' }).challenge).toBe('insufficient_scope')
    expect(toHttp({ kind: 'no_token' }).challenge).toBeUndefined()
  })
})
