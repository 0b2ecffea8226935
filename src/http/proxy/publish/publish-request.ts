// `target: kafka`, `nats` and `kinesis`: publishes a request as an event, and returns 202, or the response that comes
// later. Called by proxy.ts.
import { logIncident } from '../../../telemetry/incident-log.ts'
import { formatProduced, PRODUCED_HEADER } from '../../../core/as-of/as-of.ts'
import type { NewRecord, ProducedRecord } from '../../../core/events/kafka-record.ts'
import type { RigelError } from '../../../core/errors.ts'
import { fail, ok, type Result } from '../../../core/result.ts'
import { sourceOf, type SourceKind } from '../../../core/events/topic-source.ts'
import type { Target } from '../../../api-definitions/api-route.ts'
import type { VerifiedToken } from '../../../auth/verify-token.ts'
import { createCountedLog } from '../../counted-log.ts'
import { withTrace } from '../../request-trace.ts'
import { newCorrelation, registerIfAsync, type PendingReply } from '../async-response.ts'
import { findSubject, toAvroRecord, toJsonRecord, type KeyedEvent } from './event-record.ts'
import type { ProxyContext, ProxyDeps } from '../proxy-context.ts'
import { requestByNats } from './nats-request.ts'
import { admitRequestEvent } from './admit-event.ts'
import { readRequestEvent, toRequestEvent } from './request-event.ts'

type PublishTarget = Extract<Target, { kind: 'publish' }>

export async function publishRequest(
  context: ProxyContext,
  target: PublishTarget,
  headers: Headers,
  token: VerifiedToken | null,
): Promise<Result<Response, RigelError>> {
  const { client, deps, path, request, route, search, trace } = context
  const limitBytes = Math.min(deps.config.maxEventBytes, route.policy.maxBodyBytes ?? Infinity)
  const body = await deps.bodies.read(request, limitBytes)
  if (!body.ok) return body
  const made = { id: crypto.randomUUID(), time: new Date().toISOString() }
  const read = readRequestEvent(body.value, headers, route, target, made)
  if (!read.ok) return fail({ kind: 'not_a_cloud_event', message: read.reason })
  const admitted = await admitRequestEvent(context, token, read.value)
  if (!admitted.ok) return admitted
  const registered = await registerIfAsync(deps, route)
  if (!registered.ok) return registered
  const pending = registered.value
  const correlation = pending?.correlation ?? newCorrelation().correlation
  const { authentication } = route
  const tokenIn = authentication && { header: authentication.header, query: authentication.query }
  const query = search.slice(1)
  const facts = { method: request.method, path, query, headers, client, trace, correlation, tokenIn }
  const record = await toRecord(deps, target, toRequestEvent(admitted.value, facts))
  if (!record.ok) return abandon(deps, pending, record.reason)
  const traced = withTrace(record.value, trace)
  if (route.responseFrom === 'nats') return requestByNats(deps, traced)
  let produced: readonly ProducedRecord[]
  try {
    produced = await createCountedLog(deps.env, deps.config).produce([traced])
  } catch (error) {
    logIncident('a request could not be published', { topic: target.topic }, { error: String(error) })
    const message = `${NAMES[sourceOf(target.topic).kind]} cannot take events at the moment. The event was probably not stored.`
    return abandon(deps, pending, { kind: 'unavailable', message })
  }
  const answered = pending === null ? ok(new Response('Accepted.', { status: 202 })) : await pending.response()
  return answered.ok ? ok(withPlace(answered.value, produced)) : answered
}

/** Adds the published offsets, with which a client can recognise when its stream has passed its own events. */
function withPlace(response: Response, produced: readonly ProducedRecord[]): Response {
  const answer = new Response(response.body, response)
  answer.headers.set(PRODUCED_HEADER, formatProduced(produced))
  return answer
}

const NAMES: Readonly<Record<SourceKind, string>> = { kafka: 'Kafka', nats: 'NATS', kinesis: 'Kinesis' }

async function toRecord(
  { config, subjects }: ProxyDeps,
  { schema, topic }: PublishTarget,
  event: KeyedEvent,
): Promise<Result<NewRecord, RigelError>> {
  if (schema === null || config.schemas.serializer !== 'avro') return ok(toJsonRecord(topic, event))
  const subject = await findSubject(subjects, schema)
  if (!subject.ok) return subject
  const record = toAvroRecord(topic, event, subject.value)
  if (record.ok) return record
  const message = `Bad request: the data does not fit the schema "${schema}": ${record.reason}.`
  return fail({ kind: 'bad_request', message })
}

function abandon(
  { waitUntil }: ProxyDeps,
  pending: PendingReply | null,
  reason: RigelError,
): Result<never, RigelError> {
  if (pending !== null) waitUntil(pending.forget())
  return fail(reason)
}
