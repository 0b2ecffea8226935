// The metrics of an isolate: proxied requests, produced records, refusals and errors. A request costs a few additions;
// reports are sent in the background, at most once per interval. Kept in the WorkerContext.
import { waitUntil } from 'cloudflare:workers'
import type { Config } from '../config/parse-config.ts'
import type { Route } from '../api-definitions/api-route.ts'
import { toHttp, type RigelError } from '../core/errors.ts'
import type { NewRecord } from '../core/events/kafka-record.ts'
import { sourceOf } from '../core/events/topic-source.ts'
import { OTHER } from '../core/metrics/metric-counts.ts'
import type { MetricsReporter, Schedule } from '../core/metrics/reporter.ts'
import type { Result } from '../core/result.ts'
import { createReporter } from '../rpc/metrics.ts'

/** RIG's label where there is no route. */
const NO_ROUTE = 'N/A'
const METHODS = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'])

/** RIG's `status` label by refusal. Other refusals, such as 401, are not counted in this metric, as in RIG. */
const RIG_STATUS: Partial<Record<RigelError['kind'], string>> = {
  bad_request: 'bad_request',
  body_too_large: 'bad_request',
  not_a_cloud_event: 'bad_request',
  invalid_recipients: 'bad_request',
  no_route: 'not_found',
  upstream_unreachable: 'unreachable',
  upstream_unavailable: 'unreachable',
  unavailable: 'unreachable',
  upstream_timeout: 'request_timeout',
  answer_timeout: 'response_timeout',
}

/** A service was not reached, or did not answer. */
const OUT_OF_REACH: ReadonlySet<RigelError['kind']> = new Set(['upstream_unreachable', 'upstream_timeout'])

/** The outcome of a request on its route. */
export interface ProxyOutcome {
  readonly method: string
  readonly route: Route
  readonly result: Result<unknown, RigelError>
  readonly status: number
  /** Until the response began. */
  readonly ms: number
}

export class WorkerMetrics {
  readonly #reporter: MetricsReporter

  constructor(env: Env, config: Config) {
    this.#reporter = createReporter(env, config, { source: 'worker', nowMs: () => Date.now() })
  }

  proxied({ method, ms, result, route, status }: ProxyOutcome): void {
    const { counts } = this.#reporter
    const { api, pattern, responseFrom, target } = route
    const rigStatus = result.ok ? 'ok' : RIG_STATUS[result.reason.kind]
    if (rigStatus !== undefined) {
      const sink = target.kind === 'publish' ? sourceOf(target.topic).kind : target.kind
      counts.count('rig_proxy_requests_total', [known(method), pattern.source, sink, responseFrom, rigStatus])
    }
    if (!result.ok && OUT_OF_REACH.has(result.reason.kind)) {
      this.#reporter.failed('upstream', `${api}/${route.id}: ${toHttp(result.reason).message}`)
    }
    counts.count('rigel_proxy_responses_total', [api, String(status)])
    counts.observe('rigel_proxy_duration_seconds', [api], ms / 1_000)
    this.#touch()
  }

  noRoute(method: string): void {
    this.#reporter.counts.count('rig_proxy_requests_total', [known(method), NO_ROUTE, NO_ROUTE, NO_ROUTE, 'not_found'])
    this.#touch()
  }

  /** `target` is RIG's: also the embedded log is `kafka`. */
  produced(records: readonly NewRecord[], hasFailed: boolean): void {
    const name = hasFailed ? 'rig_produced_events_failed_total' : 'rig_produced_events_total'
    for (const { topic } of records) this.#reporter.counts.count(name, [sourceOf(topic).kind, topic])
    this.#touch()
  }

  /** A connection or a publish is refused by the Worker. Shards count their own refusals. */
  refused({ kind }: RigelError): void {
    this.#reporter.counts.count('rigel_refusals_total', [kind])
    this.#touch()
  }

  failed(where: 'worker' | 'log', message: string): void {
    this.#reporter.failed(where, message)
    this.#touch()
  }

  /** If the request's context ends before the report is due, a later request sends it. */
  #touch(): void {
    this.#reporter.touch(inBackground)
  }
}

/** The timer of an isolate: in the background of the request that is being handled. */
export const inBackground: Schedule = (ms, act) => waitUntil(scheduler.wait(ms).then(act))

function known(method: string): string {
  return METHODS.has(method) ? method : OTHER
}
