// Requests of one isolate for one partition travel as one call: while a call is under way, others wait, and the next call
// takes them all. Pure. Used by embedded-adapter.ts.
//
// Each request of a Worker may only use I/O of its own: the next call is therefore made by the first request that waits for
// it, and the others get its result. A request that waits has a timer, which also tells the runtime that it is alive.
//
// A request whose client is gone ends, unless it is kept alive, which takes a twentieth of what an event by itself costs. So a call that
// is made while no other is under way is nobody else's: the next request makes a call too, and for that one others wait.

/** A call takes no longer unless the request that makes it is gone. The others then fail, and may be tried again. */
const STALLED_MS = 10_000

/** What a CallBatcher calls. */
export interface CallBatcherDeps<Request, Result> {
  /** Resolves with a result for each request. */
  call(key: string, requests: readonly Request[]): Promise<readonly Result[]>
  sizeOf(request: Request): number
  /** Keeps the current request's context alive until `work` has ended, although its client may be gone. */
  keepAlive(work: Promise<unknown>): void
  /** Calls `act` after `ms`. Returns a function that calls it off. */
  schedule(ms: number, act: () => void): () => void
}

type Turn<Request, Result> =
  | { readonly kind: 'call'; readonly group: readonly WaitingCall<Request, Result>[] }
  | { readonly kind: 'done'; readonly result: Result }

interface WaitingCall<Request, Result> {
  readonly request: Request
  resolve(turn: Turn<Request, Result>): void
  reject(error: unknown): void
}

/** What waits for the call that is under way. */
interface Queue<Request, Result> {
  waiting: WaitingCall<Request, Result>[]
}

/**
 * Combines requests with the same key into one call, one call per key at a time, of at most `maxSize` unless one
 * request is larger.
 */
export class CallBatcher<Request, Result> {
  readonly #deps: CallBatcherDeps<Request, Result>
  readonly #maxSize: number
  readonly #queues = new Map<string, Queue<Request, Result>>()
  /** A call is under way that nobody may wait for. Of a request that has ended it stays true, until a queue has ended. */
  #hasLone = false

  /** `maxSize`: of the requests of one call together; a larger request travels by itself. */
  constructor(deps: CallBatcherDeps<Request, Result>, maxSize: number) {
    this.#deps = deps
    this.#maxSize = maxSize
  }

  /** Resolves with the request's result. Rejects if the call that it was part of failed. */
  add(key: string, request: Request): Promise<Result> {
    if (this.#queues.size === 0 && !this.#hasLone) return this.#callAlone(key, request)
    const queue = this.#queues.get(key)
    const added = queue === undefined ? this.#begin(key, request) : this.#join(key, queue, request)
    this.#deps.keepAlive(added.catch(() => undefined))
    return added
  }

  async #callAlone(key: string, request: Request): Promise<Result> {
    this.#hasLone = true
    try {
      const [result] = await this.#deps.call(key, [request])
      return result as Result
    } finally {
      this.#hasLone = false
    }
  }

  #begin(key: string, request: Request): Promise<Result> {
    const queue: Queue<Request, Result> = { waiting: [] }
    this.#queues.set(key, queue)
    return this.#call(key, queue, request, [])
  }

  async #join(key: string, queue: Queue<Request, Result>, request: Request): Promise<Result> {
    const turn = await this.#wait(key, queue, request)
    return turn.kind === 'done' ? turn.result : this.#call(key, queue, request, turn.group)
  }

  #wait(key: string, queue: Queue<Request, Result>, request: Request): Promise<Turn<Request, Result>> {
    const { promise, resolve, reject } = Promise.withResolvers<Turn<Request, Result>>()
    const waiting: WaitingCall<Request, Result> = { request, resolve, reject }
    queue.waiting.push(waiting)
    const cancel = this.#deps.schedule(STALLED_MS, () => {
      if (this.#queues.get(key) === queue) this.#queues.delete(key)
      reject(new Error('the append did not end in time: it is not known whether it was stored'))
    })
    return promise.finally(cancel)
  }

  /** Calls for itself and for `others`, then hands the next call to the first that waits. */
  async #call(
    key: string,
    queue: Queue<Request, Result>,
    request: Request,
    others: readonly WaitingCall<Request, Result>[],
  ): Promise<Result> {
    try {
      const [own, ...results] = await this.#deps.call(key, [request, ...others.map((one) => one.request)])
      for (const [index, one] of others.entries()) one.resolve({ kind: 'done', result: results[index] as Result })
      return own as Result
    } catch (error) {
      for (const one of others) one.reject(error)
      throw error
    } finally {
      this.#next(key, queue)
    }
  }

  #next(key: string, queue: Queue<Request, Result>): void {
    const count = this.#countOfNext(queue)
    const [first, ...others] = queue.waiting.splice(0, count)
    if (first !== undefined) first.resolve({ kind: 'call', group: others })
    else if (this.#queues.get(key) === queue) {
      this.#queues.delete(key)
      this.#hasLone = false
    }
  }

  #countOfNext({ waiting }: Queue<Request, Result>): number {
    let size = 0
    const end = waiting.findIndex(({ request }, index) => {
      size += this.#deps.sizeOf(request)
      return index > 0 && size > this.#maxSize
    })
    return end === -1 ? waiting.length : end
  }
}
