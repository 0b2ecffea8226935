// Runs one Durable Object over its own SimStorage. What the runtime promises holds here too: an answer, and a call to another
// object, leave only when what the object wrote before is durable; after a crash an object begins anew from its storage; an
// alarm that fails is repeated.
import type { Random } from '../random.ts'
import type { Clock } from './clock.ts'
import { CrashedObject, SimStorage } from './storage.ts'

const ALARM_RETRY_MS = 2_000

type Methods = Record<string, (...args: unknown[]) => unknown>

/** Constructs a Durable Object class. */
export type ObjectClass = new (ctx: unknown, env: Env) => Methods

interface SimulatedObjectOptions {
  readonly Class: ObjectClass
  readonly name: string
  readonly clock: Clock
  readonly random: Random
  /** Creates the object's bindings. `gate` resolves when a call may leave. */
  createEnv(gate: () => Promise<void>): Env
  /** An error that no caller saw. */
  report(problem: string): void
}

/** One Durable Object, before and after its crashes. */
export class SimulatedObject {
  readonly #options: SimulatedObjectOptions
  #storage: SimStorage
  #instance: Methods | undefined
  #crashes = 0
  /** Rejects the calls under way when the object crashes. */
  #crashed = Promise.withResolvers<never>()

  constructor(options: SimulatedObjectOptions) {
    this.#options = options
    this.#storage = new SimStorage(options.clock, options.random)
    this.#crashed.promise.catch(() => undefined)
  }

  async call(method: string, args: readonly unknown[]): Promise<unknown> {
    const crashed = this.#crashed.promise
    const work = async () => {
      const instance = this.#wake()
      const answer = await instance[method]?.(...args)
      await this.#storage.sync()
      return answer
    }
    return Promise.race([work(), crashed])
  }

  async fetch(request: Request): Promise<Response> {
    const crashed = this.#crashed.promise
    const response = (await this.call('fetch', [request])) as Response
    const reader = response.body?.getReader()
    if (reader === undefined) return response
    const body = new ReadableStream<Uint8Array>(
      {
        async pull(controller) {
          const { done, value } = await Promise.race([reader.read(), crashed])
          if (done) controller.close()
          else controller.enqueue(value)
        },
        cancel: () => reader.cancel(),
      },
      { highWaterMark: 0 },
    )
    return new Response(body, { status: response.status, headers: response.headers })
  }

  loseStorage(): void {
    this.crash()
    this.#storage = new SimStorage(this.#options.clock, this.#options.random)
  }

  crash(): void {
    this.#crashes += 1
    this.#instance = undefined
    this.#storage.crash()
    this.#crashed.reject(new Error('Network connection lost (the object crashed)'))
    this.#crashed = Promise.withResolvers<never>()
    this.#crashed.promise.catch(() => undefined)
    // An alarm that was set wakes the object again.
    this.#watchAlarm()
  }

  #wake(): Methods {
    if (this.#instance !== undefined) return this.#instance
    const { Class, name } = this.#options
    const crashes = this.#crashes
    const gate = () => (crashes === this.#crashes ? this.#storage.sync() : new Promise<void>(() => undefined))
    const ctx = {
      id: { name, toString: () => name },
      storage: this.#withAlarm(this.#storage.open()),
      waitUntil: (work: Promise<unknown>) => void work.catch((error: unknown) => this.#report(error)),
      blockConcurrencyWhile: (work: () => Promise<unknown>) => work(),
      setWebSocketAutoResponse: () => undefined,
      getWebSockets: () => [],
      acceptWebSocket: () => undefined,
    }
    this.#instance = new Class(ctx, this.#options.createEnv(gate))
    return this.#instance
  }

  #withAlarm(storage: DurableObjectStorage): DurableObjectStorage {
    const set = storage.setAlarm.bind(storage)
    const setAlarm = async (atMs: number) => {
      await set(atMs)
      this.#watchAlarm()
    }
    return Object.assign(storage, { setAlarm })
  }

  #watchAlarm(): void {
    const atMs = this.#storage.alarmMs
    if (atMs === null) return
    const { clock } = this.#options
    clock.schedule(atMs - clock.nowMs, () => {
      if (this.#storage.alarmMs !== atMs) return
      this.#storage.clearAlarm()
      void this.call('alarm', []).catch(() => {
        // The runtime runs an alarm at least once, too.
        if (this.#storage.alarmMs === null) void this.#retryAlarm()
      })
    })
  }

  async #retryAlarm(): Promise<void> {
    const { clock } = this.#options
    this.#wake()
    await this.#storage.open().setAlarm(clock.nowMs + ALARM_RETRY_MS)
    this.#watchAlarm()
  }

  #report(error: unknown): void {
    if (error instanceof CrashedObject) return
    if (!/Network connection lost/.test(String(error))) this.#options.report(String(error))
  }
}
