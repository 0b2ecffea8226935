// What one isolate keeps between requests: the configuration, parsed once, the token verifier with its keys, the routes of
// the API gateway and the health of its services. Values only: a promise or a stream of one request must never be awaited
// by another. Used by app.ts, which passes it to every handler as Hono variables.
import { loadConfig, type Config, type ConfigProblems } from '../config/parse-config.ts'
import type { Result } from '../core/result.ts'
import { createSubjectCache } from '../schema-registry/create-caches.ts'
import type { SubjectCache } from '../schema-registry/subject-cache.ts'
import { createAuthorizer, type Authorizer } from '../auth/external-authorizer.ts'
import { OpeningTurns } from './connections/opening-turns.ts'
import { ResponseCopies } from './proxy/response-copies.ts'
import { RequestBodies } from './request/request-bodies.ts'
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

/** What a handler finds in its context besides the request. */
export interface HttpVariables {
  readonly config: Config
  readonly verifyToken: VerifyToken
  readonly askService: Authorizer
  readonly publishBudget: PublishBudget
  readonly publishRules: PublishRules
  readonly routes: RouteTable
  readonly upstreamHealth: UpstreamHealth
  /** Schemas by which requests are serialized; null: no registry is configured. */
  readonly subjects: SubjectCache | null
  readonly metrics: WorkerMetrics
  /** Null: tracing is not configured. */
  readonly tracer: Tracer | null
  readonly shardMap: WorkerShardMap
  readonly openings: OpeningTurns
  readonly bodies: RequestBodies
  readonly responseCopies: ResponseCopies
}

/** The types of every handler's Hono context. */
export interface HttpEnv {
  Bindings: Env
  Variables: HttpVariables & {
    /** Set for requests to the internal API. */
    readonly role: Role
    /** What a request to the internal API has changed, for the audit log, if its path does not name it. */
    readonly changed?: Readonly<Record<string, unknown>>
  }
}

/** The part of Hono's context that handlers need which also run past the router: see createRequestContext. */
export interface HandlerContext {
  readonly env: Env
  readonly req: { readonly raw: Request; readonly url: string; header(name: string): string | undefined }
  get<Key extends keyof HttpVariables>(key: Key): HttpVariables[Key]
}

/** Returns the context of a request that no router has seen. A literal: instances of a class lose their shape (core/kept-shapes.ts). */
export function createRequestContext(raw: Request, env: Env, variables: HttpVariables): HandlerContext {
  return {
    env,
    req: { raw, url: raw.url, header: (name) => raw.headers.get(name) ?? undefined },
    get: (key) => variables[key],
  }
}

export interface WorkerContext {
  readonly config: Result<Config, ConfigProblems>
  /** Undefined: Rigel is misconfigured. */
  readonly variables: HttpVariables | undefined
  readonly shardMap: WorkerShardMap
  /** The next request after this time wakes the followers: the first one, and further ones while a topic is missing. */
  wakeFollowersAtMs: number
}

/** Then no client is let in. */
const NOT_CONFIGURED = { shards: 1, placement: { groupNumbers: [] } }

/** One context per `env`, which is one object for the life of an isolate. Tests pass others. */
const isolates = new WeakMap<Env, WorkerContext>()

export function workerContext(env: Env): WorkerContext {
  const known = isolates.get(env)
  if (known !== undefined) return known
  const config = loadConfig(env)
  const { placement, shards } = config.ok ? config.value : NOT_CONFIGURED
  const shardMap = new WorkerShardMap(env, shards, placement.groupNumbers)
  const variables = config.ok ? createVariables(env, config.value, shardMap) : undefined
  const isolate: WorkerContext = { config, variables, shardMap, wakeFollowersAtMs: 0 }
  isolates.set(env, isolate)
  return isolate
}

function createVariables(env: Env, config: Config, shardMap: WorkerShardMap): HttpVariables {
  const deps = { fetch: (input: RequestInfo | URL, init?: RequestInit) => fetch(input, init), nowMs: () => Date.now() }
  return {
    config,
    verifyToken: withRevocation(env, createTokenVerifier(config.jwt)),
    askService: createAuthorizer({ timeoutMs: config.checkTimeoutMs, ...deps }),
    publishBudget: new PublishBudget(config.publishBudget),
    publishRules: new PublishRules(config, deps),
    routes: new RouteTable(env, config),
    upstreamHealth: new UpstreamHealth(),
    shardMap,
    subjects: createSubjectCache(config),
    metrics: new WorkerMetrics(env, config),
    tracer: createTracer(config.tracing, inBackground),
    openings: new OpeningTurns({ ...deps, wait: (ms) => scheduler.wait(ms) }),
    bodies: new RequestBodies(),
    responseCopies: new ResponseCopies(),
  }
}
