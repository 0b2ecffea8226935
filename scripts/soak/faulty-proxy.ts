// A TCP proxy in front of Rigel that fails as networks do: it cuts connections, resets them, passes on a part of what came
// and then ends, or stalls for seconds. Used by soak.ts; which connection fails when is decided by the seed.
import { createServer, connect, type Server, type Socket } from 'node:net'
import type { Random } from '../random.ts'

const MAX_LIFE_MS = 20_000
const MAX_STALL_MS = 4_000

export interface FaultyProxy {
  readonly port: number
  /** Faults that have happened, by kind. */
  readonly faults: Record<'cut' | 'reset' | 'truncate' | 'stall', number>
  /** From now on nothing fails. */
  heal(): void
  close(): void
}

export async function startFaultyProxy(targetPort: number, random: Random): Promise<FaultyProxy> {
  const faults = { cut: 0, reset: 0, truncate: 0, stall: 0 }
  const open = new Set<Socket>()
  let isHealthy = false
  const server = createServer((client) => {
    const target = connect(targetPort, 'localhost')
    for (const socket of [client, target]) {
      open.add(socket)
      socket.on('error', () => undefined)
      socket.on('close', () => {
        open.delete(socket)
        client.destroy()
        target.destroy()
      })
    }
    client.pipe(target)
    target.pipe(client)
    const own = random.fork()
    setTimeout(() => fail(client, target, own), own.below(MAX_LIFE_MS))
  })
  function fail(client: Socket, target: Socket, own: Random): void {
    if (isHealthy || client.destroyed) return
    const kind = own.pick(['cut', 'reset', 'truncate', 'stall'] as const)
    faults[kind] += 1
    if (kind === 'cut') client.destroy()
    else if (kind === 'reset') client.resetAndDestroy()
    else if (kind === 'truncate') truncate(client, target, own)
    else stall(client, target, own)
  }
  await new Promise<void>((resolve) => void server.listen(0, 'localhost', resolve))
  return {
    port: portOf(server),
    faults,
    heal: () => (isHealthy = true),
    close: () => {
      for (const socket of open) socket.destroy()
      server.close()
    },
  }
}

/** The next chunk arrives in part. */
function truncate(client: Socket, target: Socket, random: Random): void {
  target.unpipe(client)
  target.once('data', (chunk: Buffer) => client.end(chunk.subarray(0, random.below(chunk.length))))
}

/** Nothing is read or written for a while, as by a phone in a tunnel. */
function stall(client: Socket, target: Socket, random: Random): void {
  target.unpipe(client)
  client.unpipe(target)
  setTimeout(() => {
    client.pipe(target)
    target.pipe(client)
  }, random.below(MAX_STALL_MS))
}

function portOf(server: Server): number {
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('the proxy has no port')
  return address.port
}
