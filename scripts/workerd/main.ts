// The main module of a self-hosted Rigel: runs Rigel's bundle, and replaces what Cloudflare's edge does (client
// address, `Host`, rate limits, cache). Bundled by scripts/build-workerd.ts without Rigel's bundle, and named by config.capnp.
import { WorkerEntrypoint } from 'cloudflare:workers'
import rigel from '../../src/index.ts'
import { parseCached, ResponseStore } from './cached-response.ts'
import { clientAddress } from './client-address.ts'
import { isHost } from './host-header.ts'
import { RateWindow, type RateRule } from './rate-window.ts'

export * from '../../src/index.ts'

/** Memory limit of the responses of routes with `cache`. */
const MAX_CACHE_BYTES = 67_108_864
const MAX_PROXIES = 10

interface SelfHostedEnv extends Env {
  /** Number of reverse proxies in front, each of which appends to X-Forwarded-For. Null if not set. */
  readonly TRUSTED_PROXIES?: string | null
}

interface RateLimitProps {
  readonly name: string
  readonly rule: RateRule
}

/** By binding. One isolate serves the whole process, so the counts are exact. */
const windows = new Map<string, RateWindow>()
const responses = new ResponseStore(MAX_CACHE_BYTES)

/** A `ratelimits` binding. */
export class RateLimit extends WorkerEntrypoint<Env, RateLimitProps> {
  limit({ key }: { readonly key: string }): { readonly success: boolean } {
    const { name, rule } = this.ctx.props
    const window = windows.get(name) ?? new RateWindow(rule)
    windows.set(name, window)
    return { success: window.take(key, Date.now()) }
  }
}

/** The service behind `caches.default`: GET, PUT and PURGE of a URL. */
export class ResponseCache extends WorkerEntrypoint {
  override async fetch(request: Request): Promise<Response> {
    const nowMs = Date.now()
    if (request.method === 'PUT') {
      const response = parseCached(new Uint8Array(await request.arrayBuffer()), nowMs)
      if (response !== undefined) responses.put(request.url, response)
      return new Response(null, { status: 204 })
    }
    if (request.method === 'PURGE') return new Response(null, { status: responses.delete(request.url) ? 200 : 404 })
    const found = responses.get(request.url, nowMs)
    if (found === undefined) return new Response(null, { status: 504, headers: { 'cf-cache-status': 'MISS' } })
    const headers = new Headers(found.headers.map(([name, value]): [string, string] => [name, value]))
    headers.set('cf-cache-status', 'HIT')
    return new Response(found.body, { status: found.status, headers })
  }
}

export default {
  ...rigel,
  fetch: (request, env, context) =>
    isHost(request.headers.get('host'))
      ? rigel.fetch(withClientAddress(request, env), env, context)
      : new Response('Bad Request', { status: 400 }),
} satisfies ExportedHandler<SelfHostedEnv>

function withClientAddress(
  request: Parameters<typeof rigel.fetch>[0],
  env: SelfHostedEnv,
): Parameters<typeof rigel.fetch>[0] {
  const proxies = Math.min(Number(env.TRUSTED_PROXIES ?? 0) || 0, MAX_PROXIES)
  const peer: unknown = request.cf?.['clientIp']
  const address = clientAddress(
    typeof peer === 'string' ? peer : undefined,
    request.headers.get('x-forwarded-for'),
    proxies,
  )
  const headers = new Headers(request.headers)
  headers.delete('cf-connecting-ip')
  if (address !== undefined) headers.set('cf-connecting-ip', address)
  return new Request(request, { headers }) as typeof request
}
