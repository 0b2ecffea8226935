// What one isolate keeps between requests: the configuration, parsed once, the token verifier with the keys it has
// imported, the routes of the API gateway and how its services do. Values only: a promise or a stream of one request must
// never be awaited by another. Used by app.ts, which hands it to every handler as Hono variables.
import { loadConfig, type Config, type ConfigProblems } from '../config/parse-config.ts'
import type { Result } from '../core/result.ts'
import { createSubjectCache } from '../schema-registry/create-caches.ts'
import type { SubjectCache } from '../schema-registry/subject-cache.ts'
import { createAuthorizer, type Authorizer } from '../auth/external-authorizer.ts'
import { RouteTable } from './proxy/route-table.ts'
import { UpstreamHealth } from './proxy/upstream-health.ts'
import { PublishBudget } from '../publishing/publish-budget.ts'
import { withRevocation } from '../auth/revocation-check.ts'
import { createTokenVerifier, type VerifyToken } from '../auth/verify-token.ts'

/** What every handler gets. */
export interface HttpEnv {
  Bindings: Env
  Variables: {
    readonly config: Config
    readonly verifyToken: VerifyToken
    readonly askService: Authorizer
    readonly publishBudget: PublishBudget
    readonly routes: RouteTable
    readonly upstreamHealth: UpstreamHealth
    readonly subjects: SubjectCache | null
  }
}

export interface WorkerContext {
  readonly config: Result<Config, ConfigProblems>
  readonly verifyToken: VerifyToken | undefined
  readonly askService: Authorizer
  readonly publishBudget: PublishBudget | undefined
  readonly routes: RouteTable | undefined
  readonly upstreamHealth: UpstreamHealth
  /** Schemas by which requests are written; null: there is no registry. */
  readonly subjects: SubjectCache | null
  /** From then on a request sees to it that followers run: the first one, and, while a topic is not there yet, others. */
  wakeFollowersAtMs: number
}

/** By `env`, which is one object for the life of an isolate and another one for other bindings. */
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
    routes: config.ok ? new RouteTable(env, config.value) : undefined,
    upstreamHealth: new UpstreamHealth(),
    subjects: config.ok ? createSubjectCache(config.value) : null,
    wakeFollowersAtMs: 0,
  }
  isolates.set(env, isolate)
  return isolate
}
