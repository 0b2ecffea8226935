// The stand-in bridge (scripts/kafka/bridge.ts) before a real Kafka in a process of its own, one for each dialect and all
// of them in it: killed, stopped in the middle of everything, and started again on the same ports, with nothing.
import assert from 'node:assert/strict'
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import type { BridgeDialect, BridgeOptions } from '../../scripts/kafka/bridge-options.ts'
import type { BridgeState, BridgeCommand } from '../kafka/bridge-commands.ts'

const program = fileURLToPath(new URL('../kafka/bridges.ts', import.meta.url))

export class BridgeProcess {
  readonly #bridges: readonly BridgeOptions[]
  #process: ChildProcess | undefined
  #control = ''

  constructor(bridges: readonly BridgeOptions[]) {
    this.#bridges = bridges
  }

  async start(): Promise<void> {
    const started = spawn(process.execPath, [program], { stdio: ['ignore', 'pipe', 'inherit'] })
    this.#process = started
    process.once('exit', () => started.kill('SIGKILL'))
    const isOver = once(started, 'exit').then(() => assert.fail('the proxies have not started'))
    const [port] = (await Promise.race([once(started.stdout, 'data'), isOver])) as [Buffer]
    isOver.catch(() => undefined)
    this.#control = `http://127.0.0.1:${Number(port.toString())}`
    await Promise.all(this.#bridges.map((options) => this.#tell(options.dialect, options)))
  }

  /** `SIGKILL`: connections are cut and instances are gone. `SIGSTOP`: connections are accepted, and nothing is said. */
  async signal(signal: 'SIGKILL' | 'SIGSTOP' | 'SIGCONT'): Promise<void> {
    const { exitCode, signalCode } = this.#process ?? {}
    assert.deepEqual([exitCode, signalCode], [null, null], 'the proxies have not ended by themselves')
    const isGone = signal === 'SIGKILL' && this.#process ? once(this.#process, 'exit') : null
    this.#process?.kill(signal)
    await isGone
  }

  command(dialect: BridgeDialect, command: BridgeCommand): Promise<BridgeState> {
    return this.#tell(dialect, command)
  }

  state(dialect: BridgeDialect): Promise<BridgeState> {
    return this.#tell(dialect, {} satisfies BridgeCommand)
  }

  async #tell(dialect: BridgeDialect, body: BridgeCommand | BridgeOptions): Promise<BridgeState> {
    const response = await fetch(`${this.#control}/${dialect}`, { method: 'POST', body: JSON.stringify(body) })
    assert.ok(response.ok, await response.clone().text())
    return (await response.json()) as BridgeState
  }
}
