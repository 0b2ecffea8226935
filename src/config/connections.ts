// Variables of connections and of a shard's log: limits, times and sizes.
import * as z from 'zod'
import { MAX_SHARDS } from '../core/shard-map/shard-number.ts'
import { integer, list } from './env-fields.ts'

const origins = z
  .string()
  .refine(
    (text) => text === '*' || text.split(',').every((origin) => isOrigin(origin.trim())),
    'must be "*", or origins such as https://app.example.com, separated by commas',
  )

function isOrigin(text: string): boolean {
  return URL.canParse(text) && /^https?:/.test(text) && new URL(text).origin === text
}

/** The variables of connections, as zod schemas. */
export const connectionVariables = {
  SHARDS: integer(4, 1, MAX_SHARDS),
  MAX_CONNECTIONS_PER_SHARD: integer(16_000, 1, 32_768),
  MAX_CONNECTIONS_PER_MINUTE: integer(5_000, 1, 1_000_000),
  MAX_CONNECTIONS_PER_USER: integer(1_000, 1, 32_768),
  MAX_CONNECTIONS_PER_SESSION: integer(1_000, 1, 32_768),
  METADATA_INDEXES: list.default([]),
  MAX_SUBSCRIPTIONS_PER_CONNECTION: integer(100, 1, 10_000),
  MAX_EVENT_TYPES_PER_SHARD: integer(16_000, 100, 200_000),
  MAX_SUBSCRIPTION_BYTES_PER_CONNECTION: integer(65_536, 1_024, 2_097_152),
  MAX_SUBSCRIPTION_BYTES_PER_SHARD: integer(16_777_216, 65_536, 268_435_456),
  MAX_SUBSCRIPTION_CHANGES_PER_MINUTE: integer(120, 1, 100_000),
  MAX_ANONYMOUS_SESSIONS_PER_SHARD: integer(5_000, 0, 32_768),
  MAX_CONNECTION_LIFETIME_SECONDS: integer(86_400, 10, 31_536_000),
  MAX_WAITING_BYTES: integer(1_048_576, 1_024, 33_554_432),
  MAX_WAITING_BYTES_PER_SHARD: integer(12_582_912, 65_536, 1_073_741_824),
  HEARTBEAT_SECONDS: integer(15, 1, 300),
  WEBSOCKET_HEARTBEAT_SECONDS: integer(0, 0, 3_600),
  RECONNECT_MS: integer(2_000, 100, 600_000),
  LONGPOLLING_WAIT_SECONDS: integer(20, 0, 60),
  LONGPOLLING_IDLE_SECONDS: integer(3_600, 10, 86_400),
  CORS: origins.default('*'),
  LOG_RETENTION_SECONDS: integer(3_600, 1, 604_800),
  LOG_RETENTION_BYTES: integer(67_108_864, 65_536, 4_294_967_296),
}

type Variables = z.infer<z.ZodObject<typeof connectionVariables>>

/** Returns the limits of connections; times in milliseconds. */
export function toConnections(v: Variables) {
  return {
    perShard: v.MAX_CONNECTIONS_PER_SHARD,
    /** New connections per calendar minute and shard. */
    perMinute: v.MAX_CONNECTIONS_PER_MINUTE,
    perUser: v.MAX_CONNECTIONS_PER_USER,
    perSession: v.MAX_CONNECTIONS_PER_SESSION,
    /** The metadata fields by which connections can be found. */
    metadataIndexes: v.METADATA_INDEXES,
    subscriptions: v.MAX_SUBSCRIPTIONS_PER_CONNECTION,
    /** Distinct event types, patterns and watched users that the connections of a shard may want together. */
    eventTypes: v.MAX_EVENT_TYPES_PER_SHARD,
    /** Length of the JSON of a connection's subscriptions. */
    subscriptionBytes: v.MAX_SUBSCRIPTION_BYTES_PER_CONNECTION,
    /** What the subscriptions and the metadata of all connections of a shard take of its heap: see subscription-cost.ts. */
    subscriptionBytesPerShard: v.MAX_SUBSCRIPTION_BYTES_PER_SHARD,
    /** Changes of subscriptions per connection. */
    subscriptionChangesPerMinute: v.MAX_SUBSCRIPTION_CHANGES_PER_MINUTE,
    /** Long-polling sessions without a token; at most a quarter of all connections of a shard. */
    anonymousSessions: Math.min(v.MAX_ANONYMOUS_SESSIONS_PER_SHARD, Math.floor(v.MAX_CONNECTIONS_PER_SHARD / 4)),
    lifetimeMs: v.MAX_CONNECTION_LIFETIME_SECONDS * 1_000,
    waitingBytes: v.MAX_WAITING_BYTES,
    waitingBytesPerShard: v.MAX_WAITING_BYTES_PER_SHARD,
    /** 0: none. */
    webSocketHeartbeatMs: v.WEBSOCKET_HEARTBEAT_SECONDS * 1_000,
    /**
     * Heartbeats send the position. They must be frequent enough that the position of a quiet stream stays within
     * retention.
     */
    heartbeatMs: Math.min(v.HEARTBEAT_SECONDS, v.LOG_RETENTION_SECONDS / 4) * 1_000,
    /** SSE's `retry:` is half to twice of it. */
    reconnectMs: v.RECONNECT_MS,
    longpollingWaitMs: v.LONGPOLLING_WAIT_SECONDS * 1_000,
    longpollingIdleMs: v.LONGPOLLING_IDLE_SECONDS * 1_000,
  }
}

/** Returns how much a shard's log keeps, by time and by bytes. */
export function toLog(v: Variables) {
  return { retentionMs: v.LOG_RETENTION_SECONDS * 1_000, retentionBytes: v.LOG_RETENTION_BYTES }
}
