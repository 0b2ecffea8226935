// Turns an event of the gateway into a Kafka record: JSON in structured mode or, with KAFKA_SERIALIZER=avro, as RIG writes it:
// attributes in `ce_` headers, and the data by a schema of the registry. Used for requests and for the request log.
import { logIncident } from '../../../telemetry/incident-log.ts'
import type { NewRecord } from '../../../core/events/kafka-record.ts'
import type { RigelError } from '../../../core/errors.ts'
import { fail, ok, type Result } from '../../../core/result.ts'
import type { Subject, SubjectCache } from '../../../schema-registry/subject-cache.ts'

export interface KeyedEvent {
  readonly key: string | null
  /** Numbers may be those of core/json.ts. */
  readonly event: Readonly<Record<string, unknown>>
}

const encoder = new TextEncoder()
const STRUCTURED = toHeader('content-type', 'application/cloudevents+json; charset=utf-8')
const AVRO = toHeader('content-type', 'avro/binary')

export function toJsonRecord(topic: string, { event, key }: KeyedEvent): NewRecord {
  return { topic, key: toKey(key), headers: [STRUCTURED], value: encoder.encode(JSON.stringify(event)) }
}

/** Fails with the part of the data that does not fit the schema, and its place. */
export function toAvroRecord(topic: string, { event, key }: KeyedEvent, subject: Subject): Result<NewRecord, string> {
  const { data = null, ...attributes } = event
  const value = subject.encode(data)
  if (!value.ok) return value
  const headers = Object.entries(attributes)
    .filter(([, attribute]) => attribute !== null)
    .map(([name, attribute]) =>
      toHeader(`ce_${name}`, typeof attribute === 'string' ? attribute : JSON.stringify(attribute)),
    )
  return ok({ topic, key: toKey(key), headers: [...headers, AVRO], value: value.value })
}

/** Returns the newest schema of a subject, or null without a registry, which the configuration does not allow. */
export async function findSubject(subjects: SubjectCache | null, name: string): Promise<Result<Subject, RigelError>> {
  try {
    const found = await subjects?.find(name)
    if (found?.ok === true) return found
    if (found?.reason.kind === 'unusable_schema') {
      return unavailable(`The schema "${name}" cannot be used: ${found.reason.message}.`)
    }
    return unavailable(`The schema registry has no subject "${name}".`)
  } catch (error) {
    logIncident('the schema registry did not answer', {}, { error: String(error) })
    return unavailable('The schema registry does not answer at the moment.')
  }
}

function unavailable(why: string): Result<never, RigelError> {
  return fail({ kind: 'unavailable', message: `${why} Nothing was published.` })
}

function toKey(key: string | null): Uint8Array | null {
  return key === null ? null : encoder.encode(key)
}

function toHeader(key: string, value: string) {
  return { key, value: encoder.encode(value) }
}
