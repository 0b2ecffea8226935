// Reads the key of a record for rules of TOPICS and for extractors: as text, or by pointers into the key as JSON. A key that names
// a schema of the registry is decoded, once and only if a pointer reads it. Pure: following/prefetch-schemas.ts fetched the schemas.
import type { Extractors } from '../core/events/extractors.ts'
import type { LogRecord } from '../core/events/kafka-record.ts'
import type { RecordSource, RuleValue, TopicRule } from '../core/events/topic-rule.ts'
import { parseExactly } from '../core/json.ts'
import { keepShape } from '../core/kept-shapes.ts'
import { evaluatePointer, type JsonPointer } from '../core/json-pointer.ts'
import { fail, ok, type Result } from '../core/result.ts'
import { decodeUtf8 } from '../core/text.ts'
import type { Schemas } from '../schema-registry/schema-cache.ts'
import { KEY_SCHEMA_HEADER, readFrame, readSchemaHeader, type FramedValue } from '../schema-registry/wire-format.ts'
import { describeDecodeError, type DecodeError } from './decode-error.ts'
import { schemaToJson } from './decode-record.ts'

/** Limit of a decoded key, in characters of JSON. */
const MAX_KEY_CHARS = 65_536

type KeyAndHeaders = Pick<LogRecord, 'key' | 'headers'>

export class RecordKey {
  readonly #record: KeyAndHeaders
  readonly #schemas: Schemas | null
  #document: { readonly json: unknown } | null = null
  #problem: DecodeError | null = null

  /** `schemas` has at least the one that the key names, if a pointer may be read; null if no registry is configured. */
  constructor(record: KeyAndHeaders, schemas: Schemas | null) {
    this.#record = record
    this.#schemas = schemas
  }

  /** Why a pointer found nothing: the key names a schema and could not be decoded. Such a record is a dead letter. */
  get problem(): DecodeError | null {
    return this.#problem
  }

  /** Returns the key as text; undefined if there is none, or if it is encoded: bytes may be valid UTF-8 and yet be no text. */
  text(): string | undefined {
    const { headers, key } = this.#record
    const text = key === null ? undefined : decodeUtf8(key)
    if (text === undefined || text === '' || text.includes('\0')) return undefined
    return headers.some((header) => header.key === KEY_SCHEMA_HEADER) ? undefined : text
  }

  /** Returns the value at the pointer into the key as JSON. A key of Kafka Connect may have it beside its schema. */
  at(pointer: JsonPointer): unknown {
    this.#document ??= { json: this.#parse() }
    const { json } = this.#document
    return evaluatePointer(pointer, json) ?? evaluatePointer(['payload', ...pointer], json)
  }

  #parse(): unknown {
    const framed = framedKey(this.#record)
    const text = framed === undefined ? this.text() : this.#decode(framed)
    return text === undefined ? undefined : parseExactly(text)
  }

  #decode(framed: Result<FramedValue, string>): string | undefined {
    const json = framed.ok ? schemaToJson(framed.value, this.#schemas, MAX_KEY_CHARS, false) : framed
    if (json.ok) return json.value
    const why = typeof json.reason === 'string' ? json.reason : describeDecodeError(json.reason)
    this.#problem = { kind: 'invalid_key', message: why }
    return undefined
  }
}

keepShape(new RecordKey({ key: null, headers: [] }, null))

/**
 * Returns the schema that the record's key names and the encoded key, or undefined if it names none. No registry gives the id
 * 0, and LongSerializer writes five zero bytes for small numbers.
 */
export function framedKey({ headers, key }: KeyAndHeaders): Result<FramedValue, string> | undefined {
  const header = headers.find((one) => one.key === KEY_SCHEMA_HEADER)
  if (header !== undefined && key !== null) {
    const framed = readSchemaHeader(header.value, key)
    return framed.ok ? framed : fail(`the header ${KEY_SCHEMA_HEADER} cannot be read: ${framed.reason}`)
  }
  const framed = readFrame(key)
  return framed === undefined || framed.schemaId === 0 ? undefined : ok(framed)
}

/** Returns whether the rule, or an extractor of any type, has a pointer into the key. Only then are schemas of keys fetched. */
export function readsKey(rule: TopicRule | null, extractors: Extractors): boolean {
  const fields = [...extractors.values()].flat()
  if (fields.some(({ from }) => from !== undefined && isInKey(from))) return true
  return rule !== null && valuesOf(rule).some((value) => value?.some(({ source }) => isInKey(source)))
}

function isInKey(source: RecordSource | string): boolean {
  if (typeof source === 'string') return false
  return source.kind === 'template' ? source.parts.some(isInKey) : source.kind === 'key' && source.pointer !== null
}

function valuesOf({ event, filters, recipients, tombstones }: TopicRule): readonly (RuleValue | null)[] {
  const values = [recipients, ...filters.flat().map(({ value }) => value)]
  if (typeof tombstones === 'object') values.push(tombstones.type)
  if (event === null) return values
  const { data, extensions, id, source, subject, time, type } = event
  const parts = (data ?? []).flatMap((one) => (one instanceof Map ? [...one.values()] : [one as RuleValue]))
  return [...values, type, source, id, time, subject, ...extensions.values(), ...parts]
}
