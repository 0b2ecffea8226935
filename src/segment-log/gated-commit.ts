// Group commit for an object whose answers and calls wait for storage by themselves (output gates). A request is stored at
// once if everything before is known to be durable. Otherwise it waits, and shares one transaction with all that wait. Pure;
// used by the embedded log's partitions. core/group-commit.ts is for objects whose output no gate holds back.

/** What a GatedCommit calls. */
export interface GatedCommitDeps<Request, Result> {
  /** Stores the requests in one transaction, all or nothing. Returns a result for each. */
  commit(requests: readonly Request[]): readonly Result[]
  /** Whether everything that was stored is known to be durable. False costs a `sync`. */
  isDurable(): boolean
  /** Resolves when everything that was stored is durable. */
  sync(): Promise<void>
}

interface WaitingRequest<Request, Result> {
  readonly request: Request
  resolve(result: Result): void
  reject(error: unknown): void
}

/** Requests are stored in the order in which they were added. */
export class GatedCommit<Request, Result> {
  readonly #deps: GatedCommitDeps<Request, Result>
  #waiting: WaitingRequest<Request, Result>[] = []
  #isSyncing = false

  constructor(deps: GatedCommitDeps<Request, Result>) {
    this.#deps = deps
  }

  /**
   * Resolves when the request is stored, which need not be durable. Rejects if the commit that it was part of failed. Returns the
   * result, or throws, if it need not wait: a promise of each caller would cost more than the rest.
   */
  add(request: Request): Result | Promise<Result> {
    if (!this.#isSyncing && this.#deps.isDurable()) return this.#deps.commit([request])[0] as Result
    const { promise, resolve, reject } = Promise.withResolvers<Result>()
    this.#waiting.push({ request, resolve, reject })
    if (!this.#isSyncing) void this.#commitWaiting()
    return promise
  }

  async #commitWaiting(): Promise<void> {
    this.#isSyncing = true
    while (this.#waiting.length > 0) await this.#commitGroup()
    this.#isSyncing = false
  }

  async #commitGroup(): Promise<void> {
    let group: readonly WaitingRequest<Request, Result>[] = []
    try {
      await this.#deps.sync()
      group = this.#waiting
      this.#waiting = []
      const results = this.#deps.commit(group.map(({ request }) => request))
      for (const [index, waiting] of group.entries()) waiting.resolve(results[index] as Result)
    } catch (error) {
      const failed = group.length > 0 ? group : this.#waiting.splice(0)
      for (const waiting of failed) waiting.reject(error)
    }
  }
}
