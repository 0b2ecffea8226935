// What one isolate keeps between requests: the configuration, parsed once, the token verifier with its keys, the routes of
// the API gateway and the health of its services. Values only: a promise or a stream of one request must never be awaited
// by another. Used by app.ts, which passes it to every handler as Hono variables.
import { loadConfig, type Config, type ConfigProblems } from '../config/parse-config.ts'
import type { Result } from '../core/result.ts'
import { createSubjectCache } from '../schema-registry/create-caches.ts'
import type { SubjectCache } from '../schema-registry/subject-cache.ts'
import { createAuthorizer, type Authorizer } from '../auth/external-authorizer.ts'
import { RouteTable } from './proxy/route-table.ts'
import { UpstreamHealth } from './proxy/upstream-health.ts'
import { inBackground, WorkerMetrics } from './worker-metrics.ts'
import { WorkerShardMap } from './worker-shard-map.ts'
import { PublishRules } from '../publishing/publish-rules.ts'
import { PublishBudget } from '../publishing/publish-budget.ts'
import { withRevocation } from '../auth/revocation-check.ts'
import { createTracer } from '../telemetry/create-tracer.ts'
import type { Tracer } from '../telemetry/tracer.ts'
import { createTokenVerifier, type VerifyToken } from '../auth/verify-token.ts'

/** What a token of the internal API permits: everything, or to look. */
export type Role = 'operator' | 'reader'

/** The types of every handler's Hono context. */
export interface HttpEnv {
  Bindings: Env
  Variables: {
    readonly config: Config
    readonly verifyToken: VerifyToken
    readonly askService: Authorizer
    readonly publishBudget: PublishBudget
    readonly publishRules: PublishRules
    readonly routes: RouteTable
    readonly upstreamHealth: UpstreamHealth
    readonly subjects: SubjectCache | null
    readonly metrics: WorkerMetrics
    readonly tracer: Tracer | null
    /** Set for requests to the internal API. */
    readonly role: Role
    /** What a request to the internal API has changed, for the audit log, if its path does not name it. */
    readonly changed?: Readonly<Record<string, unknown>>
    readonly shardMap: WorkerShardMap
  }
}

export interface WorkerContext {
  readonly config: Result<Config, ConfigProblems>
  readonly verifyToken: VerifyToken | undefined
  readonly askService: Authorizer
  readonly publishBudget: PublishBudget | undefined
  readonly publishRules: PublishRules | undefined
  readonly routes: RouteTable | undefined
  readonly upstreamHealth: UpstreamHealth
  readonly shardMap: WorkerShardMap
  /** Schemas by which requests are serialized; null: no registry is configured. */
  readonly subjects: SubjectCache | null
  readonly metrics: WorkerMetrics | undefined
  /** Null: tracing is not configured. */
  readonly tracer: Tracer | null
  /** The next request after this time wakes the followers: the first one, and further ones while a topic is missing. */
  wakeFollowersAtMs: number
}

/** One context per `env`, which is one object for the life of an isolate. Tests pass others. */
const isolates = new WeakMap<Env, WorkerContext>()

export function workerContext(env: Env): WorkerContext {
  const known = isolates.get(env)
  if (known !== undefined) return known
  const config = loadConfig(env)
  const isolate = {
    config,
    verifyToken: config.ok ? withRevocation(env, createTokenVerifier(config.value.jwt)) : undefined,
    askService: createAuthorizer({
      timeoutMs: config.ok ? config.value.checkTimeoutMs : 0,
      fetch: (input, init) => fetch(input, init),
      nowMs: () => Date.now(),
    }),
    publishBudget: config.ok ? new PublishBudget(config.value.publishBudget) : undefined,
    publishRules: config.ok
      ? new PublishRules(config.value, { fetch: (input, init) => fetch(input, init), nowMs: () => Date.now() })
      : undefined,
    routes: config.ok ? new RouteTable(env, config.value) : undefined,
    upstreamHealth: new UpstreamHealth(),
    shardMap: new WorkerShardMap(env, config.ok ? config.value.shards : 1),
    subjects: config.ok ? createSubjectCache(config.value) : null,
    metrics: config.ok ? new WorkerMetrics(env, config.value) : undefined,
    tracer: config.ok ? createTracer(config.value.tracing, inBackground) : null,
    wakeFollowersAtMs: 0,
  }
  isolates.set(env, isolate)
  return isolate
}
