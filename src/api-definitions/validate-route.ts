// Validation across the fields of a route: bindings that are missing, options that contradict each other. Called by the
// parsers of both formats, for each route.
import { sourceOf, type SourceKind } from '../core/events/topic-source.ts'
import { whyNotClients } from './caller-headers.ts'
import type { PathPattern } from './path-pattern.ts'
import { RESERVED_SEGMENT } from './request-path.ts'
import type { Problem, Route, DefinitionEnv } from './api-route.ts'

/** The variable without which a source is not configured. The embedded log needs none. */
const NEEDED: Readonly<Record<SourceKind, string>> = { kafka: '', nats: 'NATS_SERVERS', kinesis: 'AWS_ACCESS_KEY_ID' }

export function checkRoute(route: Route, definitionEnv: DefinitionEnv): readonly Problem[] {
  const where = `${route.api}/${route.id}`
  const problems: Problem[] = []
  const add = (field: string, message: string): void => void problems.push({ where, field, message })
  const { authentication, pattern, policy } = route
  if (isReserved(pattern)) add('path', 'must not be below /_rig/: these paths are Rigel’s own')
  const { rateLimit } = policy
  if (rateLimit !== null && !definitionEnv.hasRateLimit(rateLimit.binding)) {
    add('rate_limit', `names the ratelimits binding ${rateLimit.binding}, which wrangler.toml does not define`)
  }
  if (rateLimit?.by.includes('user') && authentication === null) add('rate_limit', 'by user needs secured: true')
  if (policy.forwardClaims !== 'none' && authentication === null) add('forward_claims', 'needs secured: true')
  if (policy.forwardClaims === 'signed' && !definitionEnv.canSignClaims) {
    add('forward_claims', 'signed needs the variable PROXY_CLAIMS_SECRET')
  }
  for (const name of policy.clientHeaders) {
    const why = whyNotClients(name)
    if (why !== undefined) add('client_headers', `${name} ${why}`)
  }
  const { responseFrom } = route
  if (route.target.kind === 'publish') {
    const { kind } = sourceOf(route.target.topic)
    if (!definitionEnv.hasSource(kind)) add('target', `${kind} needs the variable ${NEEDED[kind]}`)
    if (kind === 'kinesis' && route.target.schema !== null)
      add('schema', 'is not for the target kinesis, whose records have no headers')
    if (responseFrom === 'nats' && kind !== 'nats') add('response_from', 'nats needs the target nats')
    if (kind !== 'kafka' && responseFrom !== 'http' && responseFrom !== 'nats') {
      add('response_from', `cannot be ${responseFrom} with the target ${kind}`)
    }
  } else if (responseFrom === 'nats') add('response_from', 'nats needs the target nats')
  // A Worker connects to the host that it sends as Host. A client must not choose that.
  const { target } = route
  if (policy.host === 'client' && target.kind === 'http' && target.upstreams.some(({ service }) => service === null)) {
    add('host', 'client is for service bindings; other services find it in x-forwarded-host')
  }
  if (policy.cache && authentication !== null)
    add('cache', 'must be false where secured is true: answers would be shared')
  if (policy.cache && route.method !== 'GET') add('cache', 'is for the method GET only')
  return problems
}

function isReserved({ isCaseless, shape }: PathPattern): boolean {
  const [first] = shape
  return typeof first === 'object' && (isCaseless ? first.folded : first.literal) === RESERVED_SEGMENT
}
