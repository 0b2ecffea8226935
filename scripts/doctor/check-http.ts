// Checks servers by HTTP: REST proxies, the schema registry, the key set, upstreams, check services. Uses the code of
// src where possible, with a time limit. Called by doctor.ts.
import { createRemoteJWKSet } from 'jose'
import type { Route } from '../../src/api-definitions/api-route.ts'
import type { Config } from '../../src/config/parse-config.ts'
import { createRegistryClient } from '../../src/schema-registry/registry-client.ts'
import { messageOf, ok, problem, warning, type Finding } from './finding.ts'

const TIMEOUT_MS = 10_000

/** Every check service and key set that the configuration names. */
export async function checkServices(config: Config, routes: readonly Route[]): Promise<readonly Finding[]> {
  const checks: readonly Promise<Finding>[] = [
    ...(config.jwt.jwksUrl === null ? [] : [checkKeySet(config.jwt.jwksUrl, config.jwt.algorithm)]),
    ...checkUrls(config).map(([name, url]) => checkReachable(name, url, 'correct the URL, or start the service')),
    ...upstreamsOf(routes).map(([url, name]) =>
      checkReachable(`upstream ${url}`, url, `used by ${name}: correct its target, or start the service`),
    ),
  ]
  return [...(await Promise.all(checks)), ...(await checkRegistry(config, routes))]
}

function checkUrls({ submissionCheck, subscriptionCheck }: Config): readonly (readonly [string, string])[] {
  const both = [
    ['SUBSCRIPTION_CHECK', subscriptionCheck],
    ['SUBMISSION_CHECK', submissionCheck],
  ] as const
  return both.flatMap(([name, check]) => (typeof check === 'object' ? [[name, check.url] as const] : []))
}

/** Returns each upstream once, with a route that uses it. Service bindings have no address. */
function upstreamsOf(routes: readonly Route[]): readonly (readonly [url: string, route: string])[] {
  const byUrl = new Map<string, string>()
  for (const { api, id, target } of routes) {
    if (target.kind !== 'http') continue
    for (const { base, service } of target.upstreams) {
      if (service === null && !byUrl.has(base)) byUrl.set(base, `${api}/${id}`)
    }
  }
  return [...byUrl]
}

/** Any response below 500 passes, because the service may have no route at this path. */
async function checkReachable(subject: string, url: string, todo: string): Promise<Finding> {
  try {
    const response = await fetch(url, { method: 'HEAD', redirect: 'manual', signal: AbortSignal.timeout(TIMEOUT_MS) })
    await response.body?.cancel()
    if (response.status < 500) return ok(subject, `answers (${response.status})`)
    return warning(subject, `answers ${response.status}`, todo)
  } catch (error) {
    return problem(subject, messageOf(error), todo)
  }
}

async function checkKeySet(url: string, algorithm: string): Promise<Finding> {
  const subject = `key set ${url}`
  try {
    const keys = createRemoteJWKSet(new URL(url), { timeoutDuration: TIMEOUT_MS })
    await keys.reload()
    const found = keys.jwks()?.keys ?? []
    if (found.length > 0) return ok(subject, `has ${found.length} keys`)
    return problem(subject, 'has no keys: every token is refused', 'ask the identity provider for its jwks_uri')
  } catch (error) {
    const todo = `correct JWT_JWKS_URL: it is the jwks_uri in the provider's /.well-known/openid-configuration (${algorithm})`
    return problem(subject, messageOf(error), todo)
  }
}

/** The registry itself, and each subject that a route or the request log is written by. */
async function checkRegistry({ schemas, proxy }: Config, routes: readonly Route[]): Promise<readonly Finding[]> {
  const { logSubject, registry, serializer } = schemas
  if (registry === null) return []
  const subject = `schema registry ${registry.url}`
  const client = createRegistryClient(registry, fetchWithReason)
  const todo = 'correct KAFKA_SCHEMA_REGISTRY_URL (with its base path) and its credentials'
  try {
    // "No such subject" shows that the registry works.
    await client.bySubject('rigel-doctor')
  } catch (error) {
    return [problem(subject, messageOf(error), todo)]
  }
  const named = routes.flatMap(({ target }) =>
    target.kind === 'publish' && target.schema !== null ? [target.schema] : [],
  )
  const ofLog = logSubject !== null && proxy.requestLog.includes('kafka') ? [logSubject] : []
  const subjects = serializer === null ? [] : [...new Set([...named, ...ofLog])]
  const findings = subjects.map(async (name): Promise<Finding> => {
    const schema = await client.bySubject(name)
    if (schema.ok) return ok(`subject ${name}`, `is ${schema.value.type}`)
    return problem(
      `subject ${name}`,
      `cannot be used: ${schema.reason.kind}`,
      "register it, or correct the route's schema",
    )
  })
  return [ok(subject, 'answers'), ...(await Promise.all(findings))]
}

/** Node's own message is only `fetch failed`. */
const fetchWithReason: typeof fetch = (input, init) =>
  fetch(input, init).catch((error: unknown) => {
    throw new Error(messageOf(error))
  })
