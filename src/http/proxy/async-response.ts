// `response_from`: waits for the answer to a request, which comes through Kafka or POST /v3/responses, at any isolate.
// One call waits at a desk: no polling, and no timer here.
import { formatCorrelation, type BackendResponse } from '../../core/events/correlated-response.ts'
import { pendingResponsesStub, PENDING_RESPONSES_COUNT } from '../../rpc/pending-responses.ts'
import type { RigelError } from '../../core/errors.ts'
import { fail, ok, type Result } from '../../core/result.ts'
import { randomHex } from './headers.ts'

export interface PendingReply {
  readonly correlation: string
  answer(): Promise<Result<Response, RigelError>>
  /** It is answered otherwise. */
  forget(): Promise<void>
}

/** To be called before the request goes out, so that no answer can be faster. */
export async function registerPending(env: Env, timeoutMs: number): Promise<Result<PendingReply, RigelError>> {
  const id = randomHex(16)
  const desk = Math.floor(Math.random() * PENDING_RESPONSES_COUNT)
  const stub = pendingResponsesStub(env, desk)
  try {
    if (!(await stub.expect(id, timeoutMs))) return unavailable('too many requests wait for an answer')
  } catch (error) {
    return unavailable(String(error))
  }
  return ok({
    correlation: formatCorrelation({ desk, id }),
    forget: () => stub.forget(id),
    answer: async () => {
      try {
        // The types of RPC make a list of a pair.
        const answer = (await stub.take(id)) as BackendResponse | null
        return answer === null ? fail({ kind: 'answer_timeout', timeoutMs }) : ok(toResponse(answer))
      } catch (error) {
        return unavailable(String(error))
      }
    },
  })
}

function toResponse({ body, headers, status }: BackendResponse): Response {
  // Whoever answers has encoded the body himself, if its headers say so.
  const response = new Response(body.byteLength === 0 ? null : Uint8Array.from(body), { status, encodeBody: 'manual' })
  for (const [name, value] of headers) response.headers.append(name, value)
  return response
}

function unavailable(why: string): Result<never, RigelError> {
  console.warn({ message: 'a request cannot wait for its answer', why })
  return fail({ kind: 'unavailable', message: 'Temporarily unavailable, come back.' })
}
