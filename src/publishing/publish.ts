// Writes events of clients into the Kafka log, from where they are delivered like all others. Records are in structured mode,
// which every Kafka dialect can carry.
import { logIncident } from '../telemetry/incident-log.ts'
import type { Config } from '../config/parse-config.ts'
import { topicRuleOf } from '../config/topics.ts'
import { readRecipients } from '../decoding/apply-rule.ts'
import { RecordKey } from '../decoding/record-key.ts'
import { isLargerThan, parseStructured } from '../core/events/cloud-event.ts'
import type { CloudEvent } from '../core/events/stored-event.ts'
import { extractRecipients, type RecipientError, type Recipients } from '../core/events/extractors.ts'
import type { NewRecord, ProducedRecord } from '../core/events/kafka-record.ts'
import type { RigelError } from '../core/errors.ts'
import { fail, ok, type Result } from '../core/result.ts'
import { decodeUtf8 } from '../core/text.ts'
import type { KafkaLog } from '../kafka/kafka-log.ts'

const encoder = new TextEncoder()
const CONTENT_TYPE = { key: 'content-type', value: encoder.encode('application/cloudevents+json; charset=utf-8') }

/**
 * Resolves when all are durable, with their positions in the order given. Throws what the log throws. Refuses all if the recipients
 * of one cannot be read: it would be a dead letter. With `keys`, one an event, a log that remembers keys stores each event once,
 * however often it is published.
 */
export async function publishEvents(
  log: Pick<KafkaLog, 'produce'>,
  config: Config,
  events: readonly CloudEvent[],
  keys: readonly string[] | null = null,
): Promise<Result<readonly ProducedRecord[], RigelError>> {
  const topic = config.kafka.topics[0] ?? 'rig'
  const records: NewRecord[] = []
  for (const [index, event] of events.entries()) {
    const recipients = recipientsOf(config, event)
    if (recipients.kind === 'invalid') return fail(toRefusal(recipients.error, events.length > 1 ? index : undefined))
    const { key, headers, value } = toRecord(config, event, recipients)
    // Member by member: see core/kept-shapes.ts.
    const record = { topic, key, headers, value }
    const idempotencyKey = keys?.[index]
    // A record without a key might come to another partition when it is published again, where its key is not known.
    if (idempotencyKey === undefined) records.push(record)
    else records.push({ ...record, key: key ?? encoder.encode(event.source ?? event.type), idempotencyKey })
  }
  return ok(await log.produce(records))
}

/** `index`: of the event in a batch. */
function toRefusal(error: RecipientError, index: number | undefined): RigelError {
  const message =
    error.kind === 'invalid_recipients'
      ? error.message
      : `the recipients, with all digits of numbers written out, are longer than ${error.limitBytes} characters`
  return { kind: 'invalid_recipients', message: index === undefined ? message : `event ${index}: ${message}` }
}

/** Like `publishEvents`, for a message that may be delivered again: a log that remembers keys stores each event once. */
export async function publishOnce(
  log: Pick<KafkaLog, 'produce'>,
  config: Config,
  messageId: string,
  events: readonly CloudEvent[],
): Promise<void> {
  const topic = config.kafka.topics[0] ?? 'rig'
  const records = events.map((event, index): NewRecord => {
    const { key, ...record } = toRecord(config, event)
    // A record without a key might come to another partition when the message is delivered again.
    return { topic, ...record, key: key ?? encoder.encode(messageId), idempotencyKey: `${messageId}/${index}` }
  })
  await log.produce(records)
}

/**
 * Publishes one structured event of a client that has a connection, an object or bytes, under SUBMISSION_CHECK and the
 * budget of the publisher: `spend` returns false if it is used up. `admit` applies the rules of its type.
 */
export async function submit(
  payload: unknown,
  hasToken: boolean,
  config: Config,
  openLog: () => Pick<KafkaLog, 'produce'>,
  spend: (events: number, bytes: number) => boolean,
  admit: (
    events: readonly CloudEvent[],
  ) => Result<readonly CloudEvent[], RigelError> | Promise<Result<readonly CloudEvent[], RigelError>>,
): Promise<Result<ProducedRecord, RigelError>> {
  if (typeof config.submissionCheck === 'object') {
    // A connection does not keep its token.
    const message = 'A service checks events here, by the token: publish by HTTP (POST /_rig/v1/events).'
    return fail({ kind: 'bad_request', message })
  }
  if (config.submissionCheck === 'jwt_validation' && !hasToken) return fail({ kind: 'submission_denied' })
  const text = payload instanceof Uint8Array ? decodeUtf8(payload) : (JSON.stringify(payload) ?? '')
  const event = text === undefined ? fail('it is not UTF-8') : parseStructured(text)
  if (!event.ok) return fail({ kind: 'not_a_cloud_event', message: event.reason })
  if (isLargerThan(event.value, config.maxEventBytes)) {
    const gotBytes = encoder.encode(event.value.json).length
    return fail({ kind: 'event_too_large', limitBytes: config.maxEventBytes, gotBytes })
  }
  if (!spend(1, event.value.json.length)) return fail({ kind: 'rate_limited' })
  const admitted = await admit([event.value])
  if (!admitted.ok) return admitted
  try {
    const published = await publishEvents(openLog(), config, admitted.value)
    if (!published.ok) return published
    const [produced] = published.value
    if (produced !== undefined) return ok(produced)
  } catch (error) {
    logIncident('an event could not be produced', {}, { error: String(error) })
  }
  return fail({
    kind: 'unavailable',
    message: 'The log does not take events at the moment: nothing is known to be stored.',
  })
}

function toRecord(
  config: Config,
  event: CloudEvent,
  recipients?: Recipients,
): ValueOf & { readonly key: Uint8Array | null } {
  const key = orderKeyOf(config, event, recipients)
  const { headers, value } = toValue(event)
  return { key: key === undefined ? null : encoder.encode(key), headers, value }
}

type ValueOf = Required<Pick<NewRecord, 'headers' | 'value'>>

export function toValue(event: CloudEvent): ValueOf {
  return { headers: [CONTENT_TYPE], value: encoder.encode(event.json) }
}

/**
 * Returns the record key that keeps events in order: CloudEvents' extension `partitionkey`, else the first recipient, else
 * the subject, else undefined.
 */
export function orderKeyOf(
  config: Config,
  event: CloudEvent,
  recipients = recipientsOf(config, event),
): string | undefined {
  const { partitionkey, subject } = event.parsed
  if (typeof partitionkey === 'string') return partitionkey
  const user = recipients.kind === 'users' ? recipients.users[0] : undefined
  if (user !== undefined) return user
  return typeof subject === 'string' ? subject : undefined
}

/**
 * Finds recipients by the rule of TOPICS for the topic that events are published to, else by RECIPIENTS. A rule may read the
 * record's key, which is not known yet: by a rule recipients are never invalid.
 */
function recipientsOf(config: Config, { parsed, type }: CloudEvent): Recipients {
  const topic = config.kafka.topics[0] ?? 'rig'
  const rule = topicRuleOf(config.topicRules, topic)
  if (rule === null || rule.recipients === null) return extractRecipients(config.recipients, type, parsed)
  const record = { topic, partition: 0, offset: 0, timestampMs: -1, key: null, headers: [] }
  const users = readRecipients(rule.recipients, {
    record,
    key: new RecordKey(record, null),
    value: parsed,
    envelope: parsed,
    schema: null,
  })
  return users.ok ? { kind: 'users', users: users.value } : { kind: 'nobody_in_particular' }
}
