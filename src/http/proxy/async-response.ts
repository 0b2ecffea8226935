// `response_from`: waits for a response that comes through Kafka or POST /v3/responses, at any isolate. One call waits in a
// Durable Object: no polling, and no timer here. Called by proxy.ts and publish-request.ts.
import { logIncident } from '../../telemetry/incident-log.ts'
import { formatCorrelation, type BackendResponse } from '../../core/events/correlated-response.ts'
import { pendingResponsesStub, PENDING_RESPONSES_COUNT } from '../../rpc/pending-responses.ts'
import type { Route } from '../../api-definitions/api-route.ts'
import type { RigelError } from '../../core/errors.ts'
import { fail, ok, type Result } from '../../core/result.ts'
import { MAX_BACKOFF_MS } from './forward.ts'
import type { ProxyDeps } from './proxy-context.ts'
import { randomHex } from '../../telemetry/random-hex.ts'

export interface PendingReply {
  readonly correlation: string
  readonly response: () => Promise<Result<Response, RigelError>>
  /** The request was answered in another way. */
  readonly forget: () => Promise<void>
}

/** Returns null if the response is the service's own. Call it before the request is sent, so that no response is missed. */
export async function registerIfAsync(
  { config, env }: ProxyDeps,
  { policy, responseFrom }: Pick<Route, 'policy' | 'responseFrom'>,
): Promise<Result<PendingReply | null, RigelError>> {
  if (responseFrom === 'http' || responseFrom === 'nats') return ok(null)
  const { answerTimeoutMs, timeoutMs } = config.proxy
  const tryMs = (policy.timeoutMs ?? timeoutMs) + MAX_BACKOFF_MS
  return registerPending(env, answerTimeoutMs[responseFrom], tryMs * (1 + policy.retries))
}

export function newCorrelation(): { readonly shard: number; readonly id: string; readonly correlation: string } {
  const id = randomHex(16)
  const shard = Math.floor(Math.random() * PENDING_RESPONSES_COUNT)
  return { shard, id, correlation: formatCorrelation({ shard, id }) }
}

/** `sendMs`: how long sending the request may take; the response may come meanwhile, or `timeoutMs` after it. */
async function registerPending(env: Env, timeoutMs: number, sendMs: number): Promise<Result<PendingReply, RigelError>> {
  const { correlation, id, shard } = newCorrelation()
  const stub = pendingResponsesStub(env, shard)
  try {
    if (!(await stub.expect(id, sendMs + timeoutMs))) return unavailable('too many requests wait for a response')
  } catch (error) {
    return unavailable(String(error))
  }
  return ok({
    correlation,
    forget: () => stub.forget(id),
    response: async () => {
      try {
        // RPC types turn the pairs of headers into lists.
        const answer = (await stub.take(id, timeoutMs)) as BackendResponse | null
        return answer === null ? fail({ kind: 'answer_timeout', timeoutMs }) : ok(toResponse(answer))
      } catch (error) {
        return unavailable(String(error))
      }
    },
  })
}

function toResponse({ body, headers, status }: BackendResponse): Response {
  // If the headers name a content coding, the sender has encoded the body.
  const response = new Response(body.byteLength === 0 ? null : Uint8Array.from(body), { status, encodeBody: 'manual' })
  for (const [name, value] of headers) response.headers.append(name, value)
  return response
}

function unavailable(why: string): Result<never, RigelError> {
  logIncident('a request cannot wait for its response', {}, { error: why })
  return fail({ kind: 'unavailable', message: 'Temporarily unavailable, come back.' })
}
