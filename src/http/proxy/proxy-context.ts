// What the steps of the API gateway share: the Worker's parts that they use, and one request on its route.
import type { Route } from '../../api-definitions/api-route.ts'
import type { HttpEnv } from '../worker-context.ts'
import type { Client, HeaderMap, Trace } from './headers.ts'

/** What the proxy needs of the Worker. */
export interface ProxyDeps extends Pick<
  HttpEnv['Variables'],
  'config' | 'routes' | 'subjects' | 'upstreamHealth' | 'verifyToken'
> {
  readonly env: Env
  readonly waitUntil: (work: Promise<unknown>) => void
}

/** One request on its route. */
export interface ProxyContext {
  readonly deps: ProxyDeps
  readonly request: Request
  readonly url: URL
  readonly route: Route
  /** What the service is asked for. */
  readonly path: string
  /** By which the request is cached and logged. */
  readonly canonicalPath: string
  /** The query as the client wrote it: with its `?`, or empty. */
  readonly search: string
  readonly client: Client
  readonly trace: Trace
}

/** A request as a service is asked. */
export interface OutgoingRequest {
  /** As it came: method and body are taken from it. */
  readonly request: Request
  readonly headers: HeaderMap
  /** Path and query, as the service is asked. */
  readonly pathAndQuery: string
  readonly client: Client
}
