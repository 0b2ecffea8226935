// Presets of TOPICS: rules for the records of well-known tools, as texts that a rule can override field by field. Pure. For
// topics.ts; test/decoding/presets.pure.test.ts has records as these tools write them.

/** A rule as it is configured, not checked yet. */
export type RuleText = Readonly<Record<string, unknown>>

/** Preset → its rule. */
export const PRESETS: Readonly<Record<string, RuleText>> = {
  /**
   * Change events of Debezium, in JSON (with or without the envelope of schemas.enable) and Avro, whole or flattened by
   * ExtractNewRecordState. The attributes are those of Debezium's own CloudEvents converter.
   * https://debezium.io/documentation/reference/stable/integrations/cloudevents.html
   */
  debezium: {
    type: 'io.debezium.connector.{/source/connector}.DataChangeEvent | io.debezium.DataChangeEvent',
    source: '/debezium/{/source/connector}/{/source/name} | /debezium/{topic}',
    time: '/source/ts_ms | /ts_ms | /__source_ts_ms | timestamp',
    envelope: '/payload',
    data: [{ before: '/before', after: '/after' }],
    extensions: {
      iodebeziumop: '/op | /__op | header:__op',
      iodebeziumname: '/source/name | /__name',
      iodebeziumdb: '/source/db | /__db | header:__db',
      iodebeziumschema: '/source/schema | /__schema',
      iodebeziumtable: '/source/table | /__table | header:__table',
      iodebeziumsnapshot: '/source/snapshot',
      iodebeziumtxid: '/source/txId | /transaction/id',
    },
    // A delete is a change event of its own, and the tombstone behind it is for compaction.
    tombstones: 'drop',
  },
  /** Values of Confluent's serializers: the type is the full name of the record's schema (RecordNameStrategy). */
  confluent: { type: 'schema | topic' },
  /**
   * Messages of Spring for Apache Kafka and Spring Cloud Stream: `contentType` says what the value is, `__TypeId__` which
   * class it was. https://docs.spring.io/spring-kafka/reference/kafka/headers.html
   */
  spring: {
    type: 'header:__TypeId__ | header:eventType | header:type | topic',
    id: 'header:id | position',
    format: 'content-type',
    extensions: { traceparent: 'header:traceparent' },
  },
  /** Kafka Connect's JsonConverter, with or without `schemas.enable`: the type is the name of the schema. */
  connect: { type: 'envelope:/schema/name | topic', envelope: '/payload' },
}
