// Chooses the upstream of a request, and sends nothing to failing upstreams for a time (a circuit breaker). Failures are
// counted per isolate, route and upstream, so that one route or client cannot make a service unavailable to others.
import type { Policy, Route, Upstream } from '../../api-definitions/api-route.ts'

/** Retries are at most a fifth of requests, plus a few for a rarely used service: more would overload a service that recovers. */
const RETRY_SHARE = 0.2
const RETRY_RESERVE = 10

type Breaker = Policy['breaker']
type RouteHealth = Pick<Route, 'policy'>

interface UpstreamState {
  /** Failures since the last success, by client. The number that counts per client is bounded. */
  readonly failures: Map<string, number>
  /** The breaker is open until then; after it, one request or health check probes. */
  openUntilMs: number
  retriesLeft: number
}

export class UpstreamHealth {
  /** A definition that is changed has other routes, and starts with healthy upstreams. */
  readonly #routes = new WeakMap<RouteHealth, Map<string, UpstreamState>>()

  /** Returns undefined if no upstream is in use. `random` is in [0, 1); `tried` are upstreams that have just failed. */
  choose(
    route: RouteHealth,
    upstreams: readonly Upstream[],
    nowMs: number,
    random: number,
    tried: ReadonlySet<Upstream>,
  ): Upstream | undefined {
    // No upstream of the route has failed yet.
    if (tried.size === 0 && !this.#routes.has(route)) return byWeight(upstreams, random)
    const { breaker } = route.policy
    const available = upstreams.filter((upstream) => this.#isAvailable(route, upstream, nowMs))
    const untried = tried.size === 0 ? available : available.filter((upstream) => !tried.has(upstream))
    const chosen = byWeight(untried.length > 0 ? untried : available, random)
    if (chosen !== undefined) this.#probe(this.#stateOf(route, chosen), breaker, nowMs)
    return chosen
  }

  succeeded(route: RouteHealth, upstream: Upstream): void {
    if (!this.#routes.has(route)) return
    const state = this.#stateOf(route, upstream)
    if (state.failures.size > 0) state.failures.clear()
    state.openUntilMs = 0
    state.retriesLeft = Math.min(RETRY_RESERVE, state.retriesLeft + RETRY_SHARE)
  }

  /** `client`: see `siteKey`. A request counts once, however often it was tried. */
  failed(route: RouteHealth, upstream: Upstream, client: string, nowMs: number): void {
    const { breaker } = route.policy
    if (breaker === null) return
    const state = this.#stateOf(route, upstream)
    const share = Math.max(1, Math.floor(breaker.failures / 2))
    state.failures.set(client, Math.min(share, (state.failures.get(client) ?? 0) + 1))
    if (isBroken(state, breaker)) state.openUntilMs = nowMs + breaker.openMs
  }

  /** Returns the upstreams whose breaker has been open long enough for a health check; each only once in a while. */
  dueForCheck(route: RouteHealth, upstreams: readonly Upstream[], nowMs: number): readonly Upstream[] {
    const { breaker } = route.policy
    if (breaker === null || breaker.healthCheck === null) return []
    return upstreams.filter((upstream) => {
      const state = this.#stateOf(route, upstream)
      const isDue = isBroken(state, breaker) && state.openUntilMs <= nowMs
      if (isDue) state.openUntilMs = nowMs + breaker.openMs
      return isDue
    })
  }

  mayRetry(route: RouteHealth, upstream: Upstream): boolean {
    const state = this.#stateOf(route, upstream)
    if (state.retriesLeft < 1) return false
    state.retriesLeft -= 1
    return true
  }

  #isAvailable(route: RouteHealth, upstream: Upstream, nowMs: number): boolean {
    const { breaker } = route.policy
    if (breaker === null) return true
    const state = this.#stateOf(route, upstream)
    // With a health check, no client's request probes.
    if (breaker.healthCheck !== null && isBroken(state, breaker)) return false
    return state.openUntilMs <= nowMs
  }

  /** Until it is known whether an upstream is back, other requests go elsewhere. */
  #probe(state: UpstreamState, breaker: Breaker, nowMs: number): void {
    if (breaker !== null && isBroken(state, breaker)) state.openUntilMs = nowMs + breaker.openMs
  }

  #stateOf(route: RouteHealth, { base }: Upstream): UpstreamState {
    let states = this.#routes.get(route)
    if (states === undefined) this.#routes.set(route, (states = new Map()))
    let state = states.get(base)
    if (state === undefined) {
      states.set(base, (state = { failures: new Map(), openUntilMs: 0, retriesLeft: RETRY_RESERVE }))
    }
    return state
  }
}

function isBroken({ failures }: UpstreamState, breaker: NonNullable<Breaker>): boolean {
  if (failures.size === 0) return false
  let count = 0
  for (const ofClient of failures.values()) count += ofClient
  return count >= breaker.failures
}

function byWeight(upstreams: readonly Upstream[], random: number): Upstream | undefined {
  if (upstreams.length < 2) return upstreams[0]
  let left = random * upstreams.reduce((sum, { weight }) => sum + weight, 0)
  for (const upstream of upstreams) {
    left -= upstream.weight
    if (left < 0) return upstream
  }
  return upstreams.at(-1)
}
