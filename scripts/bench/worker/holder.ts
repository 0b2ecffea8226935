// Clients by the thousand of another workerd, all over one TCP connection to its debug port: its Worker is asked as from outside, but
// without a file descriptor for each. For full-shard.ts.
import { DurableObject } from 'cloudflare:workers'
import { signClaims } from '../../../src/auth/sign-claims.ts'
import { SECRET, type Plan } from '../plan.ts'
import type { BenchEnv } from './bench-env.ts'
import type { Shards } from './objects.ts'

const AT_ONCE = 20

export class Holder extends DurableObject<BenchEnv> {
  readonly #held: (ReadableStreamDefaultReader<Uint8Array> | WebSocket)[] = []

  /** Returns how many were answered with which status. */
  async open(plan: Plan): Promise<Readonly<Record<string, number>>> {
    const worker = (await this.env.DEBUG_PORT.connect(plan.address)).getEntrypoint('main')
    const counts: Record<string, number> = {}
    let next = 0
    const work = async () => {
      for (let n = next++; n < plan.count; n = next++) {
        const status = await this.#open(worker, plan, plan.from + n)
        counts[status] = (counts[status] ?? 0) + 1
      }
    }
    await Promise.all(Array.from({ length: AT_ONCE }, work))
    return counts
  }

  async #open(worker: Service<Shards>, plan: Plan, n: number): Promise<string> {
    const text = (template: string) => template.replaceAll('{n}', String(n))
    const { body, headers = {}, messages, method = 'GET' } = plan
    const upgrade: Record<string, string> = messages === undefined ? {} : { upgrade: 'websocket' }
    if (plan.users === true) upgrade['authorization'] = `Bearer ${await tokenOf((plan.firstUser ?? 0) + n)}`
    const response = await worker.fetch(`http://rigel.test${text(plan.path)}`, {
      method,
      headers: { ...headers, ...upgrade },
      ...(body === undefined ? {} : { body: text(body) }),
    })
    const socket = response.webSocket
    if (socket) {
      socket.accept()
      for (const message of messages ?? []) socket.send(text(message))
      this.#held.push(socket)
    } else if (!response.ok || plan.reads === 'answer') await response.text()
    else await this.#read(response, plan.reads === 'all')
    return String(response.status)
  }

  async #read(response: Response, all: boolean): Promise<void> {
    const reader = response.body?.getReader() as ReadableStreamDefaultReader<Uint8Array> | undefined
    if (reader === undefined) return
    await reader.read()
    this.#held.push(reader)
    if (all) this.ctx.waitUntil(readAll(reader))
  }

  /** To be called every few seconds: an object without work is ended, and its clients with it. */
  stay(): void {}

  /** Closes all. */
  async close(): Promise<void> {
    for (const one of this.#held.splice(0)) {
      if (one instanceof WebSocket) one.close()
      else await one.cancel().catch(() => undefined)
    }
  }
}

function tokenOf(n: number): Promise<string> {
  const id = String(n).padStart(8, '0')
  const claims = { sub: `user-${id}`, jti: `session-${id}`, roles: ['support'] }
  return signClaims(claims, { secret: SECRET, algorithm: 'HS256', validSeconds: 3_600, nowMs: Date.now() })
}

async function readAll(reader: ReadableStreamDefaultReader<Uint8Array>): Promise<void> {
  try {
    while (!(await reader.read()).done);
  } catch {
    // The server has ended it.
  }
}
