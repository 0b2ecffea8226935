// The identity provider's key set (JWT_JWKS_URL) in one isolate: fetched by one request at a time and at most as often as
// the times below say, whatever number of tokens come and whatever keys they name. It keeps keys and times only: on Workers
// a promise belongs to the request that made it. Clock and sleep are arguments. Used by verify-token.ts.
import { logIncident } from '../telemetry/incident-log.ts'
import { createLocalJWKSet, errors, type JSONWebKeySet } from 'jose'
import { usableKeys } from './usable-keys.ts'

export type KeySet = ReturnType<typeof createLocalJWKSet>

/** How long a key set is used before it is fetched again. */
const MAX_AGE_MS = 600_000
/** How soon it is fetched again for a token that its keys do not verify: the provider may have changed them. */
const COOLDOWN_MS = 30_000
/** How soon it is fetched again after a failure. */
const RETRY_MS = 5_000
/** How long a fetch may take. Then another request fetches: the one that did may have been cancelled. */
export const FETCH_TIMEOUT_MS = 5_000
/** How often a request looks for the keys that another request fetches. */
const POLL_MS = 20

export interface KeySetOptions {
  /** Fetches the key set. Throws a JOSEError if it is out of reach or malformed. */
  readonly fetch: () => Promise<JSONWebKeySet>
  readonly nowMs: () => number
  readonly sleep: (ms: number) => Promise<void>
}

export class KeySetCache {
  readonly #options: KeySetOptions
  #keys: KeySet | undefined
  #fetchedAtMs = -Infinity
  /** When the last fetch began, and whether it failed. */
  #startedAtMs = -Infinity
  #failure: errors.JOSEError | undefined
  #isFetching = false

  constructor(options: KeySetOptions) {
    this.#options = options
  }

  /** Returns the keys. Throws a JOSEError if there are none that are fresh, and no fetch is due or the fetch failed. */
  async current(): Promise<KeySet> {
    const nowMs = this.#options.nowMs()
    if (this.#keys !== undefined && nowMs < this.#fetchedAtMs + MAX_AGE_MS) return this.#keys
    const before = this.#fetchedAtMs
    await this.#fetchOrWait(RETRY_MS)
    if (this.#keys !== undefined && this.#fetchedAtMs > before) return this.#keys
    throw this.#failure ?? new errors.JWKSTimeout('the key set could not be fetched')
  }

  /**
   * Returns keys that are newer than `keys`, which did not verify a token, or undefined if it is too soon to fetch them.
   * Throws a JOSEError if the provider is out of reach: then nothing is known about the token.
   */
  async newerThan(keys: KeySet): Promise<KeySet | undefined> {
    if (this.#keys === keys) await this.#fetchOrWait(COOLDOWN_MS)
    if (this.#keys !== keys) return this.#keys
    if (this.#failure !== undefined) throw this.#failure
    return undefined
  }

  /** Fetches, if the last fetch began `intervalMs` ago, or waits for the fetch of another request. */
  async #fetchOrWait(intervalMs: number): Promise<void> {
    const { nowMs, sleep } = this.#options
    while (this.#isFetching && nowMs() < this.#startedAtMs + FETCH_TIMEOUT_MS) await sleep(POLL_MS)
    const wait = this.#failure === undefined ? intervalMs : RETRY_MS
    if (nowMs() < this.#startedAtMs + wait) return
    await this.#fetch()
  }

  async #fetch(): Promise<void> {
    const startedAtMs = this.#options.nowMs()
    this.#startedAtMs = startedAtMs
    this.#isFetching = true
    try {
      const { leftOut, set } = await usableKeys(await this.#options.fetch())
      this.#keys = createLocalJWKSet(set)
      this.#fetchedAtMs = this.#options.nowMs()
      this.#failure = undefined
      if (leftOut.length > 0)
        logIncident('JWT_JWKS_URL: keys that cannot be used are left out', {}, { keys: leftOut.join('; ') })
    } catch (error) {
      this.#failure = error instanceof errors.JOSEError ? error : new errors.JWKSInvalid(String(error))
      // Once a fetch, not once a token.
      const { cause, message } = this.#failure
      const reason = cause instanceof Error ? `${message}: ${cause.message}` : message
      logIncident('JWT_JWKS_URL: the keys could not be fetched', {}, { error: reason })
    } finally {
      if (this.#startedAtMs === startedAtMs) this.#isFetching = false
    }
  }
}
