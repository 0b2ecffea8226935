// Group commit: while one commit is under way, requests wait, and the next commit takes all of them. The first request of an
// idle object is committed at once. Pure; used by shards. segment-log/gated-commit.ts is for objects whose output gates suffice.

/** What a GroupCommit calls. */
export interface GroupCommitDeps<Request, Result> {
  /** Stores the requests in one transaction and resolves when it is durable, with a result for each. All or nothing. */
  commit(requests: readonly Request[]): Promise<readonly Result[]>
  /**
   * Called between a commit and the next. Results of the first must have left the object before the next one writes: the
   * runtime holds back outgoing messages while a write is not durable.
   */
  pause(): Promise<void>
}

interface WaitingCommit<Request, Result> {
  readonly request: Request
  resolve(result: Result): void
  reject(error: unknown): void
}

/**
 * Collects requests into commits, one commit at a time. Requests are committed in the order in which they were added.
 */
export class GroupCommit<Request, Result> {
  readonly #deps: GroupCommitDeps<Request, Result>
  #waiting: WaitingCommit<Request, Result>[] = []
  #isCommitting = false

  constructor(deps: GroupCommitDeps<Request, Result>) {
    this.#deps = deps
  }

  /** Whether a commit is under way: what is committed past the others now would overtake those that wait. */
  get isCommitting(): boolean {
    return this.#isCommitting
  }

  /** Resolves when the request is durable. Rejects if the commit that it was part of failed. */
  add(request: Request): Promise<Result> {
    const { promise, resolve, reject } = Promise.withResolvers<Result>()
    this.#waiting.push({ request, resolve, reject })
    if (!this.#isCommitting) void this.#commitAll()
    return promise
  }

  async #commitAll(): Promise<void> {
    this.#isCommitting = true
    while (this.#waiting.length > 0) {
      await this.#commitWaiting()
      if (this.#waiting.length > 0) await this.#deps.pause()
    }
    this.#isCommitting = false
  }

  async #commitWaiting(): Promise<void> {
    const group = this.#waiting
    this.#waiting = []
    try {
      const results = await this.#deps.commit(group.map(({ request }) => request))
      for (const [index, waiting] of group.entries()) waiting.resolve(results[index] as Result)
    } catch (error) {
      for (const waiting of group) waiting.reject(error)
    }
  }
}
