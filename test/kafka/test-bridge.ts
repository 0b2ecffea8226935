// A stand-in REST proxy of one test's own, in the process of bridges.ts; and an adapter over it.
import { inject } from 'vitest'
import type { BridgeOptions } from '../../scripts/kafka/bridge-options.ts'
import type { KafkaRestSettings } from '../../src/config/kafka-rest.ts'
import type { KafkaLog } from '../../src/kafka/kafka-log.ts'
import { createRestCache, type RestDeps } from '../../src/kafka/rest/rest-deps.ts'
import type { InstanceJournal } from '../../src/kafka/rest/instance-journal.ts'
import { createKafkaRestLog } from '../../src/kafka/rest/create-rest-log.ts'
import type { BridgeState, BridgeCommand } from './bridge-commands.ts'

export interface Warning {
  readonly message: string
  readonly details: Record<string, unknown>
}

/** Real time and network; what is warned of is kept. */
export function makeDeps(): { readonly deps: RestDeps; readonly warnings: Warning[] } {
  const warnings: Warning[] = []
  const deps: RestDeps = {
    fetch: (input, init) => fetch(input, init),
    nowMs: () => Date.now(),
    random: () => Math.random(),
    sleep: (ms) => new Promise((resolve) => setTimeout(resolve, ms)),
    newId: () => crypto.randomUUID(),
    warn: (message, details) => warnings.push({ message, details }),
    cache: createRestCache(),
  }
  return { deps, warnings }
}

export class TestBridge {
  readonly #control: string
  readonly url: string

  private constructor(control: string, { port }: BridgeState) {
    this.#control = control
    this.url = `http://127.0.0.1:${port}`
  }

  static async start(options: BridgeOptions): Promise<TestBridge> {
    const control = `http://127.0.0.1:${inject('bridgesPort')}/${crypto.randomUUID()}`
    return new TestBridge(control, await tell(control, options))
  }

  command(command: BridgeCommand): Promise<BridgeState> {
    return tell(this.#control, command)
  }

  async state(): Promise<BridgeState> {
    return (await fetch(this.#control)).json()
  }

  /** Of requests whose `METHOD path` matches. */
  async count(pattern: RegExp): Promise<number> {
    return (await this.state()).requests.filter(({ method, path }) => pattern.test(`${method} ${path}`)).length
  }

  async makeTopic(topic = 'events', partitions = 4): Promise<string> {
    await this.command({ createTopic: { topic, partitions } })
    return topic
  }

  append(topic: string, partition: number, values: readonly string[]): Promise<BridgeState> {
    const records = values.map((value) => ({ key: null, value: btoa(value) }))
    return this.command({ append: { topic, partition, records } })
  }

  log(settings: Partial<KafkaRestSettings> = {}, deps: RestDeps = makeDeps().deps, notes?: InstanceJournal): KafkaLog {
    const all = {
      url: this.url,
      credentials: { kind: 'none' },
      dialect: null,
      binding: null,
      instanceHosts: [],
    } as const
    return createKafkaRestLog({ ...all, ...settings }, deps, notes)
  }
}

async function tell(control: string, body: object): Promise<BridgeState> {
  const response = await fetch(control, { method: 'POST', body: JSON.stringify(body) })
  if (!response.ok) throw new Error(await response.text())
  return response.json()
}
