import { DurableObject } from 'cloudflare:workers'
import type { AppendBatch } from '../core/event.ts'
import type { Principal } from '../core/principal.ts'
import type { Reason } from '../core/reasons.ts'
import type { Result } from '../core/result.ts'
import type { Subscription } from '../core/subscription.ts'

/** What a poll answers: events verbatim, oldest first, and the position to poll from next. */
export interface Polled {
  readonly lastEventId: string
  readonly events: readonly string[]
}

export class UserShard extends DurableObject<Env> {
  /** Opens an SSE stream or a WebSocket: the request is one of stampConnect's. */
  override async fetch(_request: Request): Promise<Response> {
    return new Response(null, { status: 500 })
  }
  /** Stores what it has not seen yet, then delivers it. Resolves when it is durable. Doing it twice does no harm. */
  async append(_batches: readonly AppendBatch[]): Promise<void> {}
  /** Replaces the subscriptions of a connection; resolves when the set is effective. `principal.user` null: no token came with it. */
  async setSubscriptions(
    _connectionId: string,
    _subscriptions: readonly Subscription[],
    _principal: Principal,
  ): Promise<Result<null, Reason>> {
    return { ok: true, value: null }
  }
  /** A new long-polling session. */
  async openLongpolling(
    _principal: Principal,
    _subscriptions: readonly Subscription[],
    _lastEventId: string | null,
  ): Promise<Result<{ readonly connectionToken: string }, Reason>> {
    return { ok: true, value: { connectionToken: '' } }
  }
  /** Answers when there are events after `lastEventId` (null: from the session's start), or with none after the configured wait. */
  async poll(_connectionId: string, _lastEventId: string | null): Promise<Result<Polled, Reason>> {
    return { ok: true, value: { lastEventId: '', events: [] } }
  }
}
