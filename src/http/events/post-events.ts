// POST /_rig/v1/events: publishes CloudEvents to the log and returns their positions in it. 202 means that they are durable
// and will be delivered like every other event; there may be no subscriber. RIG returned the event, encoded twice.
// post-push.ts handles the requests of connectors.
import type { Config } from '../../config/parse-config.ts'
import { formatProduced, PRODUCED_HEADER } from '../../core/as-of/as-of.ts'
import type { RigelError } from '../../core/errors.ts'
import type { ProducedRecord } from '../../core/events/kafka-record.ts'
import type { Result } from '../../core/result.ts'
import { corsHeaders } from '../cors.ts'
import { errorResponse } from '../error-response.ts'
import { publishTrace } from '../request-trace.ts'
import type { HandlerContext } from '../worker-context.ts'
import { publish } from '../admin/operations.ts'
import { idempotencyKeysOf } from './idempotency.ts'
import { answerPush, toPosition } from './post-push.ts'
import { admit, isChecked, verifyPublisher, type Publisher } from './publisher.ts'
import { readEvents, type EventRequest } from './read-events.ts'
import { connectorOf } from './read-push.ts'

export async function postEvents(c: HandlerContext): Promise<Response> {
  const config = c.get('config')
  const metrics = c.get('metrics')
  const cors = corsHeaders(config, c.req.raw)
  const verifying = verifyPublisher(c)
  const publisher = verifying instanceof Promise ? await verifying : verifying
  if (!publisher.ok) {
    metrics.refused(publisher.reason)
    return errorResponse(publisher.reason, cors)
  }
  const connector = connectorOf(c.req.raw)
  if (!connector.ok) return errorResponse(connector.reason, cors)
  if (connector.value !== null) {
    const sender = { publisher: publisher.value.name, ...connector.value }
    return answerPush(c, sender, {
      cors,
      isChecked: isChecked(config),
      admit: (events, isBatch) => admit(c, publisher.value, events, isBatch),
    })
  }
  const posted = await readEvents(c.get('bodies'), c.req.raw, config.maxEventBytes, isChecked(config))
  if (!posted.ok) return errorResponse(posted.reason, cors)
  const produced = await publishFor(c, config, publisher.value, posted.value)
  if (!produced.ok) {
    metrics.refused(produced.reason)
    return errorResponse(produced.reason, cors)
  }
  const positions = produced.value.map(toPosition)
  const body = JSON.stringify(posted.value.mode === 'batched' ? positions : positions[0])
  const headers = {
    ...cors,
    'content-type': 'application/json',
    [PRODUCED_HEADER]: formatProduced(produced.value),
  }
  // Response.json would make the headers twice.
  return new Response(body, { status: 202, headers })
}

async function publishFor(
  c: HandlerContext,
  config: Config,
  publisher: Publisher,
  { events, mode }: EventRequest,
): Promise<Result<readonly ProducedRecord[], RigelError>> {
  // What is there is not awaited: for an event by itself promises take as long as the work.
  const making = idempotencyKeysOf(c.req.raw, publisher.name, events)
  const keys = making instanceof Promise ? await making : making
  if (!keys.ok) return keys
  const admission = admit(c, publisher, events, mode === 'batched')
  const admitted = admission instanceof Promise ? await admission : admission
  if (!admitted.ok) return admitted
  return publish({ env: c.env, config, trace: publishTrace(c) }, admitted.value, keys.value)
}
