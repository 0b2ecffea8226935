// Handles a push: stores a connector's events in the log. 202 means that each is durable, once, at the position in the
// response: in a followed topic or, with the reason, in the dead-letter topic. With any other status it is not known what is
// stored, and the connector repeats the push. Called by post-events.ts and the internal API.
import { logIncident } from '../../telemetry/incident-log.ts'
import type { CloudEvent } from '../../core/events/stored-event.ts'
import type { RigelError } from '../../core/errors.ts'
import { fail, ok, type Result } from '../../core/result.ts'
import type { PushSender } from '../../publishing/idempotency-key.ts'
import { pushEvents, type PushResult } from '../../publishing/push.ts'
import { createCountedLog } from '../counted-log.ts'
import { errorResponse } from '../error-response.ts'
import { publishTrace } from '../request-trace.ts'
import type { HandlerContext } from '../worker-context.ts'
import type { Admitted } from './publisher.ts'
import { readPush, type PushRequest } from './read-push.ts'

export interface PushOptions {
  readonly cors?: Readonly<Record<string, string>>
  /** A service decides about the events (SUBMISSION_CHECK). */
  readonly isChecked?: boolean
  /** Returns the events as they are to be published, or why they may not be. */
  readonly admit?: (events: readonly CloudEvent[], isBatch: boolean) => Admitted | Promise<Admitted>
}

export async function answerPush(
  c: HandlerContext,
  sender: PushSender,
  { cors = {}, isChecked = false, admit }: PushOptions = {},
): Promise<Response> {
  const push = await readPush(c.get('bodies'), c.req.raw, c.get('config').maxEventBytes, isChecked)
  if (!push.ok) return errorResponse(push.reason, cors)
  const events = push.value.pushed.flatMap((item) => (item.kind === 'event' ? [item.event] : []))
  // A check service cannot judge an item that is no event. It is asked nevertheless, about a list without that item.
  const isList = push.value.isBatch || events.length === 0
  const admitted = (await admit?.(events, isList)) ?? ok(events)
  if (!admitted.ok) return errorResponse(admitted.reason, cors)
  const changed = admitted.value.values()
  const pushed = push.value.pushed.map((item) =>
    item.kind === 'event' ? { ...item, event: changed.next().value ?? item.event } : item,
  )
  const stored = await store(c, sender, { ...push.value, pushed })
  if (!stored.ok) return errorResponse(stored.reason, cors)
  logResults(sender, stored.value)
  const positions = stored.value.map(toPosition)
  return Response.json(push.value.isBatch ? positions : positions[0], { status: 202, headers: cors })
}

async function store(
  c: HandlerContext,
  sender: PushSender,
  { pushed }: PushRequest,
): Promise<Result<readonly PushResult[], RigelError>> {
  const config = c.get('config')
  try {
    return ok(await pushEvents(createCountedLog(c.env, config, publishTrace(c)), config, sender, pushed, Date.now()))
  } catch (error) {
    logIncident('a push could not be produced', { connector: sender.connector }, { error: String(error) })
    const message = 'The log does not take events at the moment: send the same again.'
    return fail({ kind: 'unavailable', message })
  }
}

/** For an operator who looks for events that seem to be missing. */
function logResults({ publisher, connector }: PushSender, results: readonly PushResult[]): void {
  const duplicates = results.filter(({ duplicate }) => duplicate).length
  if (duplicates > 0) logIncident('pushed again, and stored before', { connector }, { publisher, duplicates })
  const [first, ...others] = results.flatMap(({ duplicate, error }) => (duplicate || !error ? [] : [error]))
  if (first === undefined) return
  const count = 1 + others.length
  logIncident('pushed, but no events: dead letters', { connector }, { publisher, count, first })
}

/** One item of the answer to a POST of events. */
export function toPosition({ topic, partition, offset, duplicate, error }: PushResult) {
  return { topic, partition, offset, ...(duplicate ? { duplicate } : {}), ...(error === undefined ? {} : { error }) }
}
