// Keeps the finished spans of one isolate or object, and exports them in batches: after activity only, in the background,
// and never on the way of a request or an event. Pure: clock, random numbers, timer and call are dependencies.
// create-tracer.ts makes one, if OTEL_EXPORTER_OTLP_ENDPOINT is set.
import type { Schedule } from '../core/metrics/reporter.ts'
import type { Span } from './otlp-json.ts'
import { continuedTrace, startedTrace, type Trace } from './trace-context.ts'

/** What became of a batch. `again`: the collector was not reached, or asks to send it later. */
export type Exported = 'taken' | 'refused' | 'again'

/** Dependencies of a tracer. */
export interface TracerDeps {
  /** The share of the traces started here that is recorded, 0 to 1. A caller's decision is kept. */
  readonly ratio: number
  /** Milliseconds since the epoch. */
  readonly nowMs: () => number
  /** 0 to 1. */
  readonly random: () => number
  readonly schedule: Schedule
  /** Never rejects. */
  readonly send: (spans: readonly Span[]) => Promise<Exported>
  /** Told how many spans did not fit, once for each export. */
  readonly dropped: (spans: number) => void
}

/** OpenTelemetry's defaults of a batch processor. */
const MAX_KEPT = 2_048
const MAX_EXPORTED = 512
const INTERVAL_MS = 5_000

/** An export that is overdue by this long is lost with the request that carried it. The next span schedules one. */
const GIVE_UP_MS = 20_000

export class Tracer {
  readonly #deps: TracerDeps
  #spans: Span[] = []
  #dropped = 0
  /** The time until which an export is expected, in milliseconds since the epoch. 0: none is scheduled or under way. */
  #expectedMs = 0

  constructor(deps: TracerDeps) {
    this.#deps = deps
  }

  /** Returns a span that continues the caller's trace, or that starts one. */
  trace(traceparent: string | undefined, tracestate: string | null): Trace {
    const continued = traceparent === undefined ? undefined : continuedTrace(traceparent, tracestate)
    return continued ?? startedTrace(this.#deps.random() < this.#deps.ratio)
  }

  /** Keeps the span if its trace is sampled, and schedules an export. Above MAX_KEPT, new spans are dropped. */
  record(span: Span): void {
    if (!span.trace.isSampled) return
    if (this.#spans.length >= MAX_KEPT) this.#dropped += 1
    else this.#spans.push(span)
    const { nowMs, schedule } = this.#deps
    const now = nowMs()
    const isFull = this.#spans.length === MAX_EXPORTED
    if (now < this.#expectedMs && !isFull) return
    const waitMs = isFull ? 0 : INTERVAL_MS
    this.#expectedMs = now + waitMs + GIVE_UP_MS
    schedule(waitMs, () => this.#export())
  }

  async #export(): Promise<void> {
    if (this.#dropped > 0) this.#deps.dropped(this.#dropped)
    this.#dropped = 0
    // No more than there are now: under load the spans that come meanwhile would keep the request alive.
    for (let left = this.#spans.length; left > 0; left -= MAX_EXPORTED) {
      const some = this.#spans.splice(0, MAX_EXPORTED)
      if ((await this.#deps.send(some)) !== 'again') continue
      this.#spans = [...some, ...this.#spans]
      this.#dropped += Math.max(0, this.#spans.length - MAX_KEPT)
      this.#spans.length = Math.min(this.#spans.length, MAX_KEPT)
      break
    }
    this.#expectedMs = 0
  }
}
