// Why a record becomes a dead letter. The kind is the code in the header `rigel-reason-code`, in the follower's status and in
// the metric `rigel_dead_letters_total`; the text is for an operator. Pure. Used by decoding, following and publishing.
import type { SchemaKey } from '../schema-registry/wire-format.ts'

export type DecodeError =
  /** The record has no value. */
  | { readonly kind: 'tombstone' }
  /** The value, or a header with an attribute, is not UTF-8. */
  | { readonly kind: 'not_utf8' }
  /** The record names a schema, and no registry is configured. */
  | { readonly kind: 'no_schema_registry'; readonly schemaId: SchemaKey }
  /** Avro that does not name its schema. */
  | { readonly kind: 'no_schema_id'; readonly contentType: string }
  /** The header `__value_schema_id` cannot be read. */
  | { readonly kind: 'invalid_schema_id'; readonly message: string }
  | { readonly kind: 'unknown_schema'; readonly schemaId: SchemaKey }
  | { readonly kind: 'unusable_schema'; readonly schemaId: SchemaKey; readonly message: string }
  | { readonly kind: 'not_by_its_schema'; readonly schemaId: SchemaKey; readonly message: string }
  /** The key, which a rule or an extractor reads, names a schema and cannot be decoded. */
  | { readonly kind: 'invalid_key'; readonly message: string }
  | { readonly kind: 'unsupported_content_type'; readonly contentType: string }
  | { readonly kind: 'not_a_cloud_event'; readonly message: string }
  | { readonly kind: 'too_large'; readonly limitBytes: number }
  /** The event with its fields, and its recipients in one shard, is larger than a row of its storage; or all recipients, than is taken. */
  | { readonly kind: 'too_large_for_shard'; readonly limitBytes: number }
  /** A record of a response topic that is no response. */
  | { readonly kind: 'not_an_answer'; readonly message: string }
  | { readonly kind: 'invalid_recipients'; readonly message: string }
  /** A rule of TOPICS found no value for an attribute that it must set. */
  | { readonly kind: 'rule_failed'; readonly message: string }
  /** A bug in Rigel. The record must not block those after it. */
  | { readonly kind: 'not_processable'; readonly message: string }

/** Returns one line for the dead letter's header and for the log. */
export function describeDecodeError(error: DecodeError): string {
  switch (error.kind) {
    case 'tombstone':
      return 'tombstone: the record has no value'
    case 'not_utf8':
      return 'the value, or a ce_ header, is not UTF-8'
    case 'no_schema_registry':
      return `the record names schema ${error.schemaId}, but KAFKA_SCHEMA_REGISTRY_URL is not set`
    case 'no_schema_id':
      return `content type ${error.contentType} needs Confluent's wire format or the header __value_schema_id, which name the schema`
    case 'invalid_schema_id':
      return `the header __value_schema_id cannot be read: ${error.message}`
    case 'unknown_schema':
      return `the schema registry has no schema ${error.schemaId}`
    case 'unusable_schema':
      return `schema ${error.schemaId} cannot be used: ${error.message}`
    case 'not_by_its_schema':
      return `the data does not match its schema ${error.schemaId}: ${error.message}`
    case 'invalid_key':
      return `the key cannot be decoded: ${error.message}`
    case 'unsupported_content_type':
      return `content type ${error.contentType} is not supported`
    case 'not_a_cloud_event':
      return `not a CloudEvent: ${error.message}`
    case 'too_large':
      return `larger than ${error.limitBytes} bytes`
    case 'too_large_for_shard':
      return `with its fields and recipients larger than the ${error.limitBytes} bytes that can be stored of one event`
    case 'not_an_answer':
      return `not a response: ${error.message}`
    case 'invalid_recipients':
    case 'rule_failed':
      return error.message
    case 'not_processable':
      return `could not be processed: ${error.message}`
  }
}
