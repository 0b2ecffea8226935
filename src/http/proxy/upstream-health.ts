// Which upstream gets a request, and which is given a rest: passive health, by what this isolate has seen. Values only,
// kept between requests.
import type { Policy, Upstream } from '../../api-definitions/api-route.ts'

/** Retries are at most a fifth of requests, and some for a service that is seldom asked: more would be a second outage. */
const RETRY_SHARE = 0.2
const RETRY_RESERVE = 10
const MAX_UPSTREAMS = 10_000

interface State {
  failures: number
  /** Until then it is asked nothing; after it, one request finds out. */
  openUntilMs: number
  retriesLeft: number
}

export class UpstreamHealth {
  readonly #states = new Map<string, State>()

  /** Undefined: all are given a rest. `random` is in [0, 1); `tried` are those that have just failed. */
  choose(
    upstreams: readonly Upstream[],
    breaker: Policy['breaker'],
    nowMs: number,
    random: number,
    tried: ReadonlySet<Upstream>,
  ): Upstream | undefined {
    const open = upstreams.filter((upstream) => this.#isOpen(upstream, breaker, nowMs))
    const untried = open.filter((upstream) => !tried.has(upstream))
    const chosen = byWeight(untried.length > 0 ? untried : open, random)
    if (chosen !== undefined) this.#probe(chosen, breaker, nowMs)
    return chosen
  }

  succeeded(upstream: Upstream): void {
    const state = this.#stateOf(upstream)
    state.failures = 0
    state.openUntilMs = 0
    state.retriesLeft = Math.min(RETRY_RESERVE, state.retriesLeft + RETRY_SHARE)
  }

  failed(upstream: Upstream, breaker: Policy['breaker'], nowMs: number): void {
    const state = this.#stateOf(upstream)
    state.failures += 1
    if (breaker !== null && state.failures >= breaker.failures) state.openUntilMs = nowMs + breaker.openMs
  }

  mayRetry(upstream: Upstream): boolean {
    const state = this.#stateOf(upstream)
    if (state.retriesLeft < 1) return false
    state.retriesLeft -= 1
    return true
  }

  #isOpen(upstream: Upstream, breaker: Policy['breaker'], nowMs: number): boolean {
    return breaker === null || this.#stateOf(upstream).openUntilMs <= nowMs
  }

  /** The request that finds out whether it is back: until that is known, others go elsewhere. */
  #probe(upstream: Upstream, breaker: Policy['breaker'], nowMs: number): void {
    const state = this.#stateOf(upstream)
    if (breaker !== null && state.failures >= breaker.failures) state.openUntilMs = nowMs + breaker.openMs
  }

  #stateOf({ base }: Upstream): State {
    const known = this.#states.get(base)
    if (known !== undefined) return known
    if (this.#states.size >= MAX_UPSTREAMS) this.#states.clear()
    const state = { failures: 0, openUntilMs: 0, retriesLeft: RETRY_RESERVE }
    this.#states.set(base, state)
    return state
  }
}

function byWeight(upstreams: readonly Upstream[], random: number): Upstream | undefined {
  const total = upstreams.reduce((sum, { weight }) => sum + weight, 0)
  let at = random * total
  for (const upstream of upstreams) {
    at -= upstream.weight
    if (at < 0) return upstream
  }
  return upstreams.at(-1)
}
