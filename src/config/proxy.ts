// Variables of the API gateway: the API definitions that are deployed with it, and the defaults of its routes.
import * as z from 'zod'
import bundled from '../../proxy.json' with { type: 'json' }
import { parseDefinitions } from '../api-definitions/parse-definitions.ts'
import type { DefinitionEnv } from '../api-definitions/api-route.ts'
import { integer, json, list, topicName } from './env-fields.ts'

const definitionShape = z.union(
  [
    z.array(z.unknown()),
    z.strictObject({ $schema: z.string().optional(), apis: z.array(z.unknown()) }).transform(({ apis }) => apis),
  ],
  'must be a JSON list of API definitions, or {"apis": [...]}',
)
const definitionList = json(definitionShape)
/** Parsed at run time: the type of an imported file is what it happens to be when Rigel is built. */
const bundledList = definitionShape.safeParse(bundled)

const LOGGERS = ['console', 'kafka'] as const

/** The variables of the API gateway, as zod schemas. */
export const proxyVariables = {
  PROXY_CONFIG: definitionList.optional(),
  PROXY_CONFIG_FILE: z
    .string()
    .refine((text) => /^\s*[[{]/.test(text), 'must be JSON: a Worker has no files; put the definitions into proxy.json')
    .pipe(definitionList)
    .optional(),
  PROXY_RECV_TIMEOUT: integer(5_000, 1, 600_000),
  PROXY_KAFKA_RESPONSE_TOPICS: list.pipe(z.array(topicName)).default(['rig-proxy-response']),
  PROXY_KAFKA_RESPONSE_TIMEOUT: integer(5_000, 1, 600_000),
  PROXY_HTTP_ASYNC_RESPONSE_TIMEOUT: integer(5_000, 1, 600_000),
  PROXY_NATS_RESPONSE_TIMEOUT: integer(60_000, 1, 600_000),
  PROXY_CLAIMS_SECRET: z.string().min(32, 'must have at least 32 characters').optional(),
  REQUEST_LOG: list.pipe(z.array(z.enum(LOGGERS, 'must be console, kafka, or both'))).default([]),
  KAFKA_LOG_TOPIC: topicName.default('rig-request-log'),
}

type Variables = z.infer<z.ZodObject<typeof proxyVariables>> & { readonly KAFKA_SOURCE_TOPICS: readonly string[] }

/** Returns the part of the configuration that concerns proxied requests. */
export function toProxy(v: Variables) {
  return {
    /** API definitions as they were written; api-definitions/parse-definitions.ts parses them. */
    definitions: definitionsOf(v),
    timeoutMs: v.PROXY_RECV_TIMEOUT,
    responseTopics: v.PROXY_KAFKA_RESPONSE_TOPICS,
    answerTimeoutMs: { kafka: v.PROXY_KAFKA_RESPONSE_TIMEOUT, http_async: v.PROXY_HTTP_ASYNC_RESPONSE_TIMEOUT },
    /** How long a request over NATS waits for the reply. */
    natsTimeoutMs: v.PROXY_NATS_RESPONSE_TIMEOUT,
    claimsSecret: v.PROXY_CLAIMS_SECRET ?? null,
    requestLog: v.REQUEST_LOG,
    requestLogTopic: v.KAFKA_LOG_TOPIC,
  }
}

/** Returns a problem for each combination of variables that cannot work, and for each mistake in a definition. */
export function proxyContradictions(v: Variables, env: object): readonly string[] {
  if (v.PROXY_CONFIG && v.PROXY_CONFIG_FILE) return ['PROXY_CONFIG_FILE: set either it or PROXY_CONFIG, not both']
  const isBundled = (v.PROXY_CONFIG ?? v.PROXY_CONFIG_FILE) === undefined
  if (isBundled && !bundledList.success) return bundledList.error.issues.map(({ message }) => `proxy.json: ${message}`)
  const parsed = parseDefinitions(definitionsOf(v), definitionEnvOf(env), true)
  const problems = parsed.ok ? [] : parsed.reason
  const source = v.PROXY_CONFIG ? 'PROXY_CONFIG' : v.PROXY_CONFIG_FILE ? 'PROXY_CONFIG_FILE' : 'proxy.json'
  return problems.map(({ where, field, message }) => `${source}: in ${where}, ${field}: ${message}`)
}

/** Returns what definitions may refer to: variables and bindings of the Worker. */
export function definitionEnvOf(env: object): DefinitionEnv {
  const bindings = env as Readonly<Record<string, unknown>>
  return {
    variable: (name) => (isSet(bindings[name]) ? bindings[name] : undefined),
    hasService: (name) => hasMethod(bindings[name], 'fetch'),
    hasSource: (kind) => kind === 'kafka' || isSet(bindings[kind === 'nats' ? 'NATS_SERVERS' : 'AWS_ACCESS_KEY_ID']),
    hasRateLimit: (name) => hasMethod(bindings[name], 'limit'),
    canSignClaims: isSet(bindings['PROXY_CLAIMS_SECRET']),
  }
}

function definitionsOf(v: Variables): readonly unknown[] {
  return v.PROXY_CONFIG ?? v.PROXY_CONFIG_FILE ?? bundledList.data ?? []
}

function isSet(value: unknown): value is string {
  return typeof value === 'string' && value !== ''
}

function hasMethod(value: unknown, name: string): boolean {
  return typeof value === 'object' && value !== null && typeof (value as Record<string, unknown>)[name] === 'function'
}
