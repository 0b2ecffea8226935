// `response_from: nats`: NATS's own request and reply. The event is sent to one service that is subscribed to the subject, and its
// reply is the response. Nothing is stored: this is core NATS, also beside JetStream. Called by publish-request.ts.
import { logIncident } from '../../../telemetry/incident-log.ts'
import type { NewRecord } from '../../../core/events/kafka-record.ts'
import type { RigelError } from '../../../core/errors.ts'
import { sourceOf } from '../../../core/events/topic-source.ts'
import { fail, ok, type Result } from '../../../core/result.ts'
import { natsClientStub } from '../../../rpc/nats-client.ts'
import type { ProxyDeps } from '../proxy-context.ts'

/** Returns 200 and the reply as JSON, as RIG does. */
export async function requestByNats(
  { config, env }: ProxyDeps,
  { headers, topic, value }: NewRecord,
): Promise<Result<Response, RigelError>> {
  const timeoutMs = config.proxy.natsTimeoutMs
  try {
    const stub = natsClientStub(env, Math.random())
    const reply = await stub.request(sourceOf(topic).name, value ?? new Uint8Array(), timeoutMs, headers)
    if (reply.kind === 'timeout') return fail({ kind: 'answer_timeout', timeoutMs })
    if (reply.kind === 'nobody') return unavailable('No service is there to answer.')
    return ok(new Response(Uint8Array.from(reply.body), { headers: { 'content-type': 'application/json' } }))
  } catch (error) {
    logIncident('a request could not be sent by NATS', {}, { error: String(error) })
    return unavailable('NATS cannot be reached at the moment. Whether the request has arrived is not known.')
  }
}

function unavailable(message: string): Result<never, RigelError> {
  return fail({ kind: 'unavailable', message })
}
