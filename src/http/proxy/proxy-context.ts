// The types that the steps of the API gateway share: the parts of the Worker that they use, and one request on its route.
import type { Route } from '../../api-definitions/api-route.ts'
import type { HttpEnv } from '../worker-context.ts'
import type { Client, IncomingHeaders } from './headers/headers.ts'
import type { Trace } from '../../telemetry/trace-context.ts'

/** The parts of the Worker that the proxy uses. */
export interface ProxyDeps extends Pick<
  HttpEnv['Variables'],
  | 'bodies'
  | 'config'
  | 'metrics'
  | 'publishRules'
  | 'responseCopies'
  | 'routes'
  | 'subjects'
  | 'tracer'
  | 'upstreamHealth'
  | 'verifyToken'
> {
  readonly env: Env
  readonly waitUntil: (work: Promise<unknown>) => void
}

/** One request on its route. */
export interface ProxyContext {
  readonly deps: ProxyDeps
  readonly request: Request
  /** The headers of `request`. */
  readonly incoming: IncomingHeaders
  readonly method: string
  readonly route: Route
  /** The path of the request to the service. */
  readonly path: string
  /** The path by which the request is cached and logged. */
  readonly canonicalPath: string
  /** The query as the client wrote it: with its `?`, or empty. */
  readonly search: string
  readonly client: Client
  readonly trace: Trace
}

/** A request to a service. */
export interface OutgoingRequest {
  /** The client's request, for its body. */
  readonly request: Request
  readonly method: string
  readonly incoming: IncomingHeaders
  readonly headers: Headers
  /** Path and query of the request to the service. */
  readonly pathAndQuery: string
  readonly client: Client
}
