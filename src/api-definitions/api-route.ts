// The words of the API gateway: what one route is, once both forms of definitions (rig-form.ts, short-form.ts) have been
// read. The router finds one for a request, edge/proxy does what it says.
import type { JsonPointer } from '../core/json-pointer.ts'
import type { PathPattern } from './path-pattern.ts'

/** Where a request may carry its token, and what the token must have. */
export interface Authentication {
  /** `Authorization` takes bearer tokens, any other header the token alone. */
  readonly header: string | null
  readonly query: string | null
  readonly cookie: string | null
  /** All of them, of the claims `scope`, `scp` or `scopes`. */
  readonly scopes: readonly string[]
  readonly claims: readonly ClaimRule[]
}

interface ClaimRule {
  readonly pointer: JsonPointer
  readonly oneOf: readonly (string | number | boolean)[]
}

/** One place that requests are sent to. */
export interface Upstream {
  /** Origin and base path, without a slash at its end. */
  readonly base: string
  readonly weight: number
  /** A service binding to call instead of the network. */
  readonly service: string | null
}

export type Target =
  | { readonly kind: 'http'; readonly upstreams: readonly Upstream[] }
  | {
      readonly kind: 'kafka'
      readonly topic: string
      /** The type of the event that a body is wrapped in if it is none itself; null: such a body is refused, as by RIG. */
      readonly wrapAs: string | null
      /** The schema registry's subject, by which data is written with KAFKA_SERIALIZER=avro; null: as JSON. */
      readonly schema: string | null
    }

type ResponseFrom = 'http' | 'kafka' | 'http_async'

export interface RateLimit {
  /** A `ratelimits` binding of wrangler.toml: its limit and period are the platform's. */
  readonly binding: string
  readonly by: readonly ('address' | 'user' | 'route')[]
}

export interface Policy {
  /** Until the upstream's response begins; its body may take as long as it likes. Null: PROXY_RECV_TIMEOUT. */
  readonly timeoutMs: number | null
  /** Of idempotent requests without a body. */
  readonly retries: number
  /** Transport failures in a row that take an upstream out, and for how long; null: never. */
  readonly breaker: { readonly failures: number; readonly openMs: number } | null
  readonly maxBodyBytes: number | null
  /** What the upstream gets as `Host`: its own, this name, or, of a service binding, the client's. */
  readonly host: 'target' | 'client' | { readonly name: string }
  /** Preflights are answered, and responses get CORS headers, by the variable CORS. */
  readonly cors: boolean
  readonly cache: boolean
  readonly rateLimit: RateLimit | null
  /** Verified claims for the upstream: as plain headers, or as a token signed with PROXY_CLAIMS_SECRET. */
  readonly forwardClaims: 'none' | 'plain' | 'signed'
}

export interface HeaderChanges {
  readonly set: readonly (readonly [name: string, value: string])[]
  readonly remove: readonly string[]
}

export interface Route {
  readonly api: string
  readonly id: string
  /** Upper case, or `*`. */
  readonly method: string
  readonly pattern: PathPattern
  /** Only for requests with this `accept-version`; null: for any. */
  readonly version: string | null
  readonly authentication: Authentication | null
  readonly target: Target
  readonly responseFrom: ResponseFrom
  readonly requestHeaders: HeaderChanges
  readonly responseHeaders: HeaderChanges
  readonly policy: Policy
}

export interface ApiDefinition {
  readonly id: string
  /** In the order in which they are tried. */
  readonly routes: readonly Route[]
}

/** What is wrong with a definition. `where`: `api`, the API's id, or `<api>/<endpoint>`, as in RIG's answers. */
export interface Problem {
  readonly where: string
  readonly field: string
  readonly message: string
}

/** What definitions may refer to. */
export interface DefinitionEnv {
  variable(name: string): string | undefined
  hasService(name: string): boolean
  hasRateLimit(name: string): boolean
  /** PROXY_CLAIMS_SECRET is set. */
  readonly canSignClaims: boolean
}

/** RIG's shape of problems: where → list of field → message. */
export function toProblemMap(
  problems: readonly Problem[],
): Readonly<Record<string, readonly Record<string, string>[]>> {
  const byWhere = Map.groupBy(problems, ({ where }) => where)
  return Object.fromEntries(
    [...byWhere].map(([where, of]) => [where, of.map(({ field, message }) => ({ [field]: message }))]),
  )
}
