// What rules per event type (TYPES) demand of an event that a client publishes: who may, how large, how often, and what the
// operator's hook says, which may change it or refuse it. Called for POST /_rig/v1/events, for Phoenix channels, and for requests
// that are published.
import type { Config } from '../config/parse-config.ts'
import { MAX_CONCURRENT_CALLS, runWithLimit } from '../core/concurrency.ts'
import type { RigelError } from '../core/errors.ts'
import { isLargerThan, parseStructured } from '../core/events/cloud-event.ts'
import { toCheckedEvent } from '../core/events/checked-event.ts'
import { extractFields } from '../core/events/extractors.ts'
import type { CloudEvent } from '../core/events/stored-event.ts'
import { readBody } from '../core/http-body.ts'
import { fail, ok, type Result } from '../core/result.ts'
import { NO_GRANT, withoutNarrowing, type TypeGrant } from '../core/rules/type-grant.ts'
import { describeRights, isAllowed, type TypeRule } from '../core/rules/type-rules.ts'
import { decodeUtf8 } from '../core/text.ts'
import { logIncident } from '../telemetry/incident-log.ts'
import { PublishBudget } from './publish-budget.ts'

/** Characters of a hook's reason that its client is told. */
const MAX_REASON_CHARS = 200

interface PublishRulesDeps {
  readonly fetch: typeof fetch
  /** Milliseconds since the epoch. */
  readonly nowMs: () => number
}

export class PublishRules {
  readonly #config: Config
  readonly #deps: PublishRulesDeps
  /** By events per second. */
  readonly #budgets = new Map<number, PublishBudget>()

  constructor(config: Config, deps: PublishRulesDeps) {
    this.#config = config
    this.#deps = deps
  }

  /**
   * Returns the events as they are to be published: all, or the first refusal. `publisher`: whose budget it is. `isRightGiven`: who
   * may publish was decided otherwise.
   */
  admit(
    events: readonly CloudEvent[],
    grant: TypeGrant | undefined,
    publisher: string,
    { isRightGiven = false } = {},
  ): Result<readonly CloudEvent[], RigelError> | Promise<Result<readonly CloudEvent[], RigelError>> {
    if (this.#config.typeRules?.hasPublishing !== true && grant?.only?.publish === undefined) return ok(events)
    return this.#admitByRules(events, grant, publisher, isRightGiven)
  }

  async #admitByRules(
    events: readonly CloudEvent[],
    grant: TypeGrant | undefined,
    publisher: string,
    isRightGiven: boolean,
  ): Promise<Result<readonly CloudEvent[], RigelError>> {
    const { typeRules } = this.#config
    let refusal: RigelError | undefined
    // What rules decide about has to be what is published: of two equal members, parsers read different ones.
    const admitted: CloudEvent[] = []
    for (const event of events) {
      const checked = toCheckedEvent(event)
      if (!checked.ok) return fail({ kind: 'not_a_cloud_event', message: checked.reason })
      admitted.push(checked.value)
    }
    const ruled = admitted.map((event) => ({ event, rule: typeRules?.ruleOf(event.type) ?? {} }))
    for (const { event, rule } of ruled)
      refusal ??= this.#refusalOf(
        event,
        isRightGiven ? withoutRight(rule) : rule,
        isRightGiven ? NO_GRANT : (grant ?? NO_GRANT),
      )
    // After all of them have passed: what is not published costs its publisher nothing.
    if (refusal === undefined && !this.#spend(ruled, publisher)) refusal = { kind: 'rate_limited' }
    if (refusal !== undefined) return fail(refusal)
    const hooks = ruled.flatMap(({ event, rule: { hook } }, index) =>
      hook === undefined
        ? []
        : async () => {
            // Each may take CHECK_TIMEOUT_MS, and nothing is published any more.
            if (refusal !== undefined) return
            const answer = await this.#ask(hook, event, publisher)
            if (answer.ok) admitted[index] = answer.value
            else refusal ??= answer.reason
          },
    )
    await runWithLimit(hooks, MAX_CONCURRENT_CALLS)
    return refusal === undefined ? ok(admitted) : fail(refusal)
  }

  #refusalOf(event: CloudEvent, { maxBytes, publish }: TypeRule, grant: TypeGrant): RigelError | undefined {
    const { parsed, type } = event
    const fields = extractFields(this.#config.extractors, type, parsed)
    if (!isAllowed(grant, 'publish', publish, { type, fields })) {
      const who = describeRights(publish, isAllowed(withoutNarrowing(grant), 'publish', publish, { type, fields }))
      return { kind: 'type_forbidden', message: `publish ${type.slice(0, 100)}: ${who}` }
    }
    return maxBytes !== undefined && isLargerThan(event, maxBytes) ? tooLarge(event, maxBytes) : undefined
  }

  /** Returns false, and spends nothing, if one of the patterns has nothing left for the publisher. */
  #spend(ruled: readonly { readonly rule: TypeRule }[], publisher: string): boolean {
    const nowMs = this.#deps.nowMs()
    const byPattern = Map.groupBy(
      ruled.flatMap(({ rule: { rate } }) => (rate === undefined ? [] : [rate])),
      ({ pattern }) => pattern,
    )
    const spending = [...byPattern].flatMap(([pattern, rates]) => {
      const budget = rates[0] === undefined ? undefined : this.#budgetOf(rates[0].perSecond)
      return budget === undefined ? [] : [{ budget, payer: `${pattern} ${publisher}`, events: rates.length }]
    })
    if (!spending.every(({ budget, payer }) => budget.has(payer, nowMs))) return false
    return spending.every(({ budget, events, payer }) => budget.spend(payer, events, 0, nowMs))
  }

  #budgetOf(perSecond: number): PublishBudget {
    const known = this.#budgets.get(perSecond)
    const budget = known ?? new PublishBudget(toLimits(perSecond))
    if (known === undefined) this.#budgets.set(perSecond, budget)
    return budget
  }

  /** 204 accepts the event, 200 replaces it by the event in the body, 4xx refuses it with the text of the body. */
  async #ask(url: string, event: CloudEvent, publisher: string): Promise<Result<CloudEvent, RigelError>> {
    const { checkTimeoutMs, maxEventBytes } = this.#config
    try {
      const response = await this.#deps.fetch(url, {
        method: 'POST',
        headers: {
          'content-type': 'application/cloudevents+json; charset=utf-8',
          'rigel-publisher': encodeURI(publisher),
        },
        body: event.json,
        redirect: 'manual',
        signal: AbortSignal.timeout(checkTimeoutMs),
      })
      const body = await readBody(response, maxEventBytes)
      const text = body.ok ? (decodeUtf8(body.bytes) ?? '') : ''
      if (response.status === 204) return ok(event)
      if (response.status === 200 && body.ok) return this.#changed(url, text)
      if (response.status >= 400 && response.status < 500)
        return fail({
          kind: 'type_forbidden',
          message: text.slice(0, MAX_REASON_CHARS) || `publish ${event.type}`,
        })
      return hookFailed(url, `status ${response.status}`)
    } catch (error) {
      return hookFailed(url, String(error))
    }
  }

  #changed(url: string, text: string): Result<CloudEvent, RigelError> {
    const event = parseStructured(text)
    const checked = event.ok ? toCheckedEvent(event.value) : event
    return checked.ok ? checked : hookFailed(url, checked.reason)
  }
}

function toLimits(eventsPerSecond: number) {
  return { eventsPerSecond, bytesPerSecond: Number.MAX_SAFE_INTEGER }
}

function tooLarge({ json }: CloudEvent, limitBytes: number): RigelError {
  return { kind: 'event_too_large', limitBytes, gotBytes: new TextEncoder().encode(json).length }
}

function hookFailed(url: string, error: string): Result<never, RigelError> {
  logIncident('a hook did not decide about an event: refused', { url }, { error })
  return fail({ kind: 'unavailable', message: 'Events of this type cannot be published at the moment: try again.' })
}

function withoutRight({ publish: _publish, ...rule }: TypeRule): TypeRule {
  return rule
}
