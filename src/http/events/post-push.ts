// Answers a push: a connector's events, as they are placed in the log. 202 means that each is durable, once, where the
// answer says: in a topic that is followed, or, with what was wrong, in the dead-letter topic. Anything else means that
// nothing is known to be stored: the connector sends again, as it is made to. Called by events.ts and internal-api.ts.
import type { Context } from 'hono'
import type { CloudEvent } from '../../core/events/stored-event.ts'
import type { RigelError } from '../../core/errors.ts'
import { fail, ok, type Result } from '../../core/result.ts'
import type { PushSender } from '../../publishing/idempotency-key.ts'
import { pushEvents, type PushResult } from '../../publishing/push.ts'
import { createKafkaLog } from '../../kafka/create-kafka-log.ts'
import { errorResponse } from '../error-response.ts'
import type { HttpEnv } from '../worker-context.ts'
import { readPush, type PushRequest } from './read-push.ts'

export interface PushOptions {
  readonly cors?: Readonly<Record<string, string>>
  /** Whether these may be published. */
  readonly mayPublish?: (events: readonly CloudEvent[], isBatch: boolean) => Promise<boolean>
}

export async function answerPush(
  c: Context<HttpEnv>,
  sender: PushSender,
  options: PushOptions = {},
): Promise<Response> {
  const { cors = {}, mayPublish } = options
  const push = await readPush(c.req.raw, c.var.config.maxEventBytes)
  if (!push.ok) return errorResponse(push.reason, cors)
  const events = push.value.pushed.flatMap((one) => (one.kind === 'event' ? [one.event] : []))
  // What is no event is nothing that a service could judge: it is asked all the same, about a list without it.
  const isList = push.value.isBatch || events.length === 0
  if (mayPublish && !(await mayPublish(events, isList))) return errorResponse({ kind: 'submission_denied' }, cors)
  const placed = await place(c, sender, push.value)
  if (!placed.ok) return errorResponse(placed.reason, cors)
  tell(sender, placed.value)
  const places = placed.value.map(toAnswer)
  return c.json(push.value.isBatch ? places : places[0], 202, cors)
}

async function place(
  { env, var: { config } }: Context<HttpEnv>,
  sender: PushSender,
  { pushed }: PushRequest,
): Promise<Result<readonly PushResult[], RigelError>> {
  try {
    return ok(await pushEvents(createKafkaLog(env, config), config, sender, pushed, Date.now()))
  } catch (error) {
    console.error({ message: 'a push could not be produced', connector: sender.connector, error: String(error) })
    const message = 'The log does not take events at the moment: send the same again.'
    return fail({ kind: 'unavailable', message })
  }
}

/** What an operator would look for: events that seem to be missing. */
function tell({ publisher, connector }: PushSender, places: readonly PushResult[]): void {
  const duplicates = places.filter(({ duplicate }) => duplicate).length
  if (duplicates > 0) console.info({ message: 'pushed again, and stored before', publisher, connector, duplicates })
  const [first, ...others] = places.flatMap(({ duplicate, error }) => (duplicate || !error ? [] : [error]))
  if (first === undefined) return
  console.warn({
    message: 'pushed, but no events: dead letters',
    publisher,
    connector,
    count: 1 + others.length,
    first,
  })
}

function toAnswer({ topic, partition, offset, duplicate, error }: PushResult) {
  return { topic, partition, offset, ...(duplicate ? { duplicate } : {}), ...(error === undefined ? {} : { error }) }
}
