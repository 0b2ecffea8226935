// Environment → Config: every variable with its default, limit and unit, one file a subject in config/. Nothing else
// reads a variable. With a bad value nothing runs: parseConfig returns every problem with the variable's name, what is
// wrong and what would be right. docs/configuration.md describes the same variables.
import * as z from 'zod'
import { connectionVariables, toConnections, toLog } from './connections.ts'
import { eventVariables, toExtractors, toRecipients } from './events.ts'
import { kafkaContradictions, kafkaVariables, toKafka } from './kafka.ts'
import { operationContradictions, operationVariables, toMetricsPushMs } from './operation/operation.ts'
import { kinesisContradictions, kinesisVariables, toKinesis } from './sources/kinesis.ts'
import { natsContradictions, natsVariables, toNats } from './sources/nats.ts'
import { shardGroupContradictions } from './operation/shard-groups.ts'
import { placementVariables, toPlacement } from './operation/placement.ts'
import { phoenixVariables, toPhoenix } from './phoenix.ts'
import { proxyContradictions, proxyVariables, toProxy } from './proxy.ts'
import { schemaRegistryContradictions, schemaRegistryVariables, toSchemas } from './schema-registry.ts'
import { toTracing, tracingContradictions, tracingVariables } from './operation/tracing.ts'
import { topicRuleOf, topicsContradictions, topicsVariables, toTopicRules } from './topics.ts'
import { tableContradictions, tableVariables, toTables } from './types/tables.ts'
import { toTypeRules, typeRuleContradictions, typeRuleVariables } from './types/type-rules.ts'
import { auditContradictions, auditVariables, toAudit } from './operation/audit.ts'
import { tokenContradictions, tokenVariables, toJwt } from './auth.ts'
import { jurisdictionProblems, missingBindings } from './bindings.ts'
import { describeIssue, effectiveVariable, type EffectiveVariable } from './variable-texts.ts'
import { configWarnings } from './warnings.ts'
import { flag } from './env-fields.ts'
import type { TableRule } from '../core/tables/table-rule.ts'
import { hash64 } from '../core/delivery/shard-hash.ts'
import { fail, ok, type Result } from '../core/result.ts'

const schema = z.object({
  ...connectionVariables,
  ...tokenVariables,
  ...auditVariables,
  ...eventVariables,
  ...kafkaVariables,
  ...operationVariables,
  ...kinesisVariables,
  ...natsVariables,
  ...phoenixVariables,
  ...placementVariables,
  ...proxyVariables,
  ...schemaRegistryVariables,
  ...tableVariables,
  ...topicsVariables,
  ...typeRuleVariables,
  ...tracingVariables,
  DEV_MODE: flag,
  PLAYGROUND: flag,
})

/** The names of all variables. */
export const variableNames: readonly string[] = Object.keys(schema.shape)

/** The configuration, frozen. */
export type Config = Readonly<ReturnType<typeof toConfig>>

/** One line for each problem: `NAME: what is wrong, or what would be right`. */
export type ConfigProblems = readonly string[]

/** Returns the configuration, or everything that is wrong with the variables. Bindings are not looked at. */
export function parseConfig(env: object): Result<Config, ConfigProblems> {
  const variables = readVariables(env)
  const parsed = schema.safeParse(variables)
  const problems = parsed.success
    ? contradictions(parsed.data, env)
    : parsed.error.issues.map((issue) => describeIssue(issue, variables))
  if (!parsed.success || problems.length > 0) return fail(problems)
  return ok(toConfig(parsed.data))
}

/**
 * Returns the variables as text, also numbers and objects of TOML (`SHARDS = 4`). An empty variable counts as not set.
 */
function readVariables(env: object): Readonly<Record<string, string>> {
  const variables: Record<string, string> = {}
  for (const [name, value] of Object.entries(env) as [string, unknown][]) {
    if (!Object.hasOwn(schema.shape, name) || value === '' || value === undefined || value === null) continue
    variables[name] = typeof value === 'string' ? value : JSON.stringify(value)
  }
  return variables
}

/** Returns every variable with the value in force, which is the configured value or the default. */
export function effectiveVariables(env: object): readonly EffectiveVariable[] {
  const variables = readVariables(env)
  const defaults: Readonly<Record<string, unknown>> = schema.safeParse({}).data ?? {}
  return variableNames.map((name) => effectiveVariable(name, variables[name], defaults[name]))
}

/** Results by `env`, which is one object for the life of an isolate: parsing it takes milliseconds. */
const loaded = new WeakMap<object, Result<Config, ConfigProblems>>()

/**
 * Returns what `parseConfig` returns, and the problems of the bindings. Parses once per isolate, logs every problem, and
 * warns of variables without effect.
 */
export function loadConfig(env: object): Result<Config, ConfigProblems> {
  const known = loaded.get(env)
  if (known !== undefined) return known
  const config = withBindings(parseConfig(env), env)
  loaded.set(env, config)
  const warnings = warningsOf(env)
  if (warnings.length > 0) console.warn({ message: 'Rigel has variables without effect', warnings })
  if (!config.ok) console.error({ message: 'Rigel is misconfigured', problems: config.reason })
  return config
}

function withBindings(config: Result<Config, ConfigProblems>, env: object): Result<Config, ConfigProblems> {
  const missing = missingBindings(env)
  if (missing.length > 0) return fail([...(config.ok ? [] : config.reason), ...missing])
  const unplaced = config.ok ? jurisdictionProblems(env, config.value.placement.jurisdiction) : []
  return unplaced.length === 0 ? config : fail(unplaced)
}

/** Returns a line for each variable that is set and has no effect: misspelt, or RIG's without a meaning here. */
export function warningsOf(env: object): readonly string[] {
  return configWarnings(env, variableNames)
}

/**
 * Returns the configuration for code that runs only with a valid one. Throws if it is invalid: requests were refused
 * before.
 */
export function configOf(env: object): Config {
  const config = loadConfig(env)
  if (!config.ok) throw new TypeError(`invalid configuration: ${config.reason.join('; ')}`)
  return config.value
}

type Variables = z.infer<typeof schema>

/**
 * Returns a hash of what decides which rows a table has, and who sees them, by event type. Of TABLES and TOPICS only the rule of the
 * table and that of its topic are in it.
 */
function toTablesBasis(v: Variables): ReadonlyMap<string, string> {
  const topicRules = toTopicRules(v)
  const common = [v.TYPES, v.EXTRACTORS, v.RECIPIENTS]
  const basis = (table: TableRule) => basisOf([...common, table, topicRuleOf(topicRules, table.topic)])
  return new Map([...(toTables(v)?.values() ?? [])].map((table) => [table.type, basis(table)]))
}

function basisOf(variables: unknown): string {
  const text = JSON.stringify(variables, (_, value: unknown) => (value instanceof Map ? [...value] : value))
  const { high, low } = hash64(text)
  return `${(high >>> 0).toString(36)}-${(low >>> 0).toString(36)}`
}

function contradictions(v: Variables, env: object): string[] {
  return [
    ...tokenContradictions(v),
    ...auditContradictions(v),
    ...kafkaContradictions(v, env),
    ...natsContradictions(v),
    ...kinesisContradictions(v),
    ...schemaRegistryContradictions(v),
    ...operationContradictions(v),
    ...tableContradictions(v),
    ...topicsContradictions(v),
    ...typeRuleContradictions(v),
    ...tracingContradictions(v),
    ...shardGroupContradictions(v.SHARDS, v.SHARD_GROUPS),
    ...proxyContradictions(v, env),
  ]
}

function toConfig(v: Variables) {
  return deepFreeze({
    shards: v.SHARDS,
    connections: toConnections(v),
    log: toLog(v),
    cors: v.CORS,
    jwt: toJwt(v),
    /** The bearer tokens of the internal API: one, or the new and the old one; none if the API is closed. */
    internalTokens: v.INTERNAL_TOKEN,
    /** Where entries of the audit log are written. */
    audit: toAudit(v),
    subscriptionCheck: v.SUBSCRIPTION_CHECK,
    submissionCheck: v.SUBMISSION_CHECK,
    checkTimeoutMs: v.CHECK_TIMEOUT_MS,
    extractors: toExtractors(v),
    /** Whether constraints on unknown fields are dropped, as RIG does, instead of refused. */
    widenUnknown: v.WIDEN_UNKNOWN_CONSTRAINTS,
    recipients: toRecipients(v),
    topicRules: toTopicRules(v),
    /** Null: no event type has state. */
    tables: toTables(v),
    /** By event type: changes with what decides which rows its table has, and who sees them. */
    tablesBasis: toTablesBasis(v),
    /** Null: there are no rules per event type. */
    typeRules: toTypeRules(v),
    ownEventsSpecversion: v.OWN_EVENTS_SPECVERSION,
    maxEventBytes: v.MAX_EVENT_BYTES,
    /** What one publisher may publish per second and isolate. */
    publishBudget: { eventsPerSecond: v.PUBLISH_EVENTS_PER_SECOND, bytesPerSecond: v.PUBLISH_BYTES_PER_SECOND },
    kafka: toKafka(v),
    /** Whether the console at /_rig/console is served. */
    console: v.CONSOLE || v.DEV_MODE,
    /** The bearer tokens that permit only reading by the internal API. */
    readTokens: v.CONSOLE_READ_TOKEN,
    metricsPushMs: toMetricsPushMs(v),
    /** Null unless NATS_SERVERS is set. */
    nats: toNats(v),
    kinesis: toKinesis(v),
    phoenix: toPhoenix(v),
    placement: toPlacement(v),
    proxy: toProxy(v),
    schemas: toSchemas(v),
    /** Null unless a collector is configured. */
    tracing: toTracing(v),
    devMode: v.DEV_MODE,
    /** Whether the page at /_rig/ is served. */
    playground: v.PLAYGROUND || v.DEV_MODE,
  })
}

/** Maps are not frozen: their types are read-only. */
function deepFreeze<T extends object>(value: T): T {
  for (const inner of Object.values(value) as unknown[]) {
    if (typeof inner === 'object' && inner !== null && !(inner instanceof Map)) deepFreeze(inner)
  }
  return Object.freeze(value)
}
