// Types of the API gateway: a route, as both formats of definitions (rig-format.ts, short-format.ts) are parsed to. The
// router finds the route of a request, src/http/proxy executes it.
import type { SourceKind } from '../core/events/topic-source.ts'
import { type Scalar } from '../core/scalar.ts'
import type { JsonPointer } from '../core/json-pointer.ts'
import type { PathPattern } from './path-pattern.ts'

/** Where a request may carry its token, and what the token must hold. */
export interface Authentication {
  /** `Authorization` takes bearer tokens, any other header the token alone. */
  readonly header: string | null
  readonly query: string | null
  readonly cookie: string | null
  /** The token must have all of them. */
  readonly scopes: readonly string[]
  readonly claims: readonly ClaimRule[]
}

interface ClaimRule {
  readonly pointer: JsonPointer
  readonly oneOf: readonly Scalar[]
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
      /** Requests become events of a topic. */
      readonly kind: 'publish'
      /** `orders` of Kafka, `nats:orders` of NATS, `kinesis:orders` of Kinesis. */
      readonly topic: string
      /** Type of the event that wraps a body that is no CloudEvent; null: such a body is refused, as by RIG. */
      readonly wrapAs: string | null
      /** Subject in the schema registry, used with KAFKA_SERIALIZER=avro; null: JSON. */
      readonly schema: string | null
    }

type ResponseFrom = 'http' | 'kafka' | 'http_async' | 'nats'

export interface RateLimit {
  /** Name of a `ratelimits` binding in wrangler.toml, which holds limit and period. */
  readonly binding: string
  readonly by: readonly ('address' | 'user' | 'route')[]
}

export interface CircuitBreaker {
  readonly failures: number
  readonly openMs: number
  /** A path that is asked, instead of a client's request, to find out whether the upstream is back. */
  readonly healthCheck: string | null
}

export interface Policy {
  /** Until the response's head arrives; its body has no time limit. Null: PROXY_RECV_TIMEOUT. */
  readonly timeoutMs: number | null
  /** Number of retries, for idempotent requests without a body. */
  readonly retries: number
  /** Stops requests to an upstream after failures in a row. Null: never. */
  readonly breaker: CircuitBreaker | null
  readonly maxBodyBytes: number | null
  /** The `Host` that is sent: the upstream's, a given name, or, to a service binding, the client's. */
  readonly host: 'target' | 'client' | { readonly name: string }
  /** Rigel answers preflights and adds CORS headers, by the variable CORS. */
  readonly cors: boolean
  readonly cache: boolean
  readonly rateLimit: RateLimit | null
  /** Rewrites `Location` headers that name the upstream's own address to the address that the client asked. */
  readonly rewriteLocation: boolean
  /** Forwards verified claims: as plain headers, or as a token signed with PROXY_CLAIMS_SECRET. */
  readonly forwardClaims: 'none' | 'plain' | 'signed'
  /** Headers that say who asks, which clients may send all the same. In lower case. */
  readonly clientHeaders: readonly string[]
}

/** Names are in lower case. */
export interface HeaderChanges {
  readonly set: readonly (readonly [name: string, value: string])[]
  readonly remove: readonly string[]
}

export interface Route {
  readonly api: string
  readonly id: string
  /** Upper case, or `*` for any. */
  readonly method: string
  readonly pattern: PathPattern
  /** Matches only requests with this `accept-version`; null: any. */
  readonly version: string | null
  /** The version that the endpoint is defined in: also of the route by path, whose `version` is null. Null: there is one only. */
  readonly definedIn: string | null
  readonly authentication: Authentication | null
  readonly target: Target
  readonly responseFrom: ResponseFrom
  readonly requestHeaders: HeaderChanges
  readonly responseHeaders: HeaderChanges
  readonly policy: Policy
  /** The endpoint as it is defined, for the request log. In the short format, without headers, which may hold secrets. */
  readonly endpoint: Readonly<Record<string, unknown>>
}

export interface ApiDefinition {
  readonly id: string
  /** In the order in which they are tried. */
  readonly routes: readonly Route[]
}

/** A problem of a definition. `where` is `api`, the API's id, or `<api>/<endpoint>`, as in RIG's answers. */
export interface Problem {
  readonly where: string
  readonly field: string
  readonly message: string
}

/** Variables and bindings that definitions may refer to. */
export interface DefinitionEnv {
  variable(name: string): string | undefined
  hasService(name: string): boolean
  hasRateLimit(name: string): boolean
  /** Whether the source is configured. */
  hasSource(kind: SourceKind): boolean
  /** PROXY_CLAIMS_SECRET is set. */
  readonly canSignClaims: boolean
}

/** Returns RIG's format of problems: `where` → list of `{field: message}`. */
export function toProblemMap(
  problems: readonly Problem[],
): Readonly<Record<string, readonly Record<string, string>[]>> {
  const byWhere = Map.groupBy(problems, ({ where }) => where)
  return Object.fromEntries(
    [...byWhere].map(([where, found]) => [where, found.map(({ field, message }) => ({ [field]: message }))]),
  )
}
