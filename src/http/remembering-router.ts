// Hono's router, which remembers what paths without parameters match: matching one of Rigel's own paths costs as much as
// checking a connection's token and subscriptions. Used by app.ts.
import type { Result, Router } from 'hono/router'
import { TrieRouter } from 'hono/router/trie-router'

/** Matches the path of a route with a parameter, a wildcard or an optional segment. */
const NOT_STATIC = /[:*?]/

/** Methods of requests that are worth it. Clients choose methods, so that others are not kept. */
const METHODS = new Set(['GET', 'POST', 'PUT', 'OPTIONS'])

export class RememberingRouter<T> implements Router<T> {
  readonly name = 'RememberingRouter'
  readonly #router = new TrieRouter<T>()
  /** By path, then by method. Only paths of routes are kept, so that clients cannot make it grow. */
  readonly #results = new Map<string, Map<string, Result<T>>>()

  add(method: string, path: string, handler: T): void {
    this.#router.add(method, path, handler)
    if (!NOT_STATIC.test(path)) this.#results.set(path, new Map())
    for (const known of this.#results.values()) known.clear()
  }

  match(method: string, path: string): Result<T> {
    const known = METHODS.has(method) ? this.#results.get(path) : undefined
    if (known === undefined) return this.#router.match(method, path)
    const result = known.get(method) ?? this.#router.match(method, path)
    known.set(method, result)
    return result
  }
}
