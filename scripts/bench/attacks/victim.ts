// The victim of attacks.ts: a user with a WebSocket who opens a new stream at each event, and how long each takes.
import { once } from 'node:events'
import { WebSocket } from 'ws'
import { shardOf } from '../../../src/core/delivery/shard-hash.ts'
import { millisecondsOf, pause } from '../figure.ts'
import { SHARDS, type Rig } from '../rig.ts'

/** New streams are of as many users of the victim's shard in turn: one user's new connections are paced (MAX_CONNECTIONS_PER_MINUTE). */
const OPENERS = 24

/** An event and a new stream of the victim's this often. */
const EVERY_MS = 20

export interface Window {
  readonly deliveryMs: number[]
  readonly openMs: number[]
}

export interface Victim {
  readonly rig: Rig
  readonly user: string
  /** The tokens of the users who open streams. */
  readonly tokens: readonly string[]
  readonly socket: WebSocket
}

export async function openVictim(rig: Rig): Promise<Victim> {
  const user = 'victim'
  const token = await tokenFor(rig, user)
  const socket = new WebSocket(`${rig.wsOrigin}/_rig/v1/connection/ws?jwt=${token}`, { perMessageDeflate: false })
  await once(socket, 'message')
  const openers = Array.from({ length: OPENERS }, (_, n) => userOf(`opener-${n}`, shardOf(user, SHARDS)))
  const tokens = await Promise.all(openers.map((opener) => tokenFor(rig, opener)))
  return { rig, user, tokens, socket }
}

export async function sample(victim: Victim, count: number): Promise<Window> {
  const deliveryMs: number[] = []
  const openMs: number[] = []
  for (let n = 0; n < count; n += 1) {
    const took = await deliver(victim)
    const openedIn = await millisecondsOf(() => openStream(victim, n))
    deliveryMs.push(took)
    openMs.push(openedIn)
    await pause(Math.max(0, EVERY_MS - took - openedIn))
  }
  return { deliveryMs, openMs }
}

function deliver({ rig, socket, user }: Victim): Promise<number> {
  const id = crypto.randomUUID()
  const event = { specversion: '1.0', id, source: '/bench', type: 'for.victim', data: { recipients: [user] } }
  const headers = { 'content-type': 'application/cloudevents+json' }
  return millisecondsOf(
    () =>
      new Promise<void>((resolve, reject) => {
        const onMessage = (data: Buffer) => {
          if (!data.includes(id)) return
          socket.off('message', onMessage)
          resolve()
        }
        socket.on('message', onMessage)
        fetch(`${rig.origin}/_rig/v1/events`, { method: 'POST', headers, body: JSON.stringify(event) }).then(
          ({ ok, status }) => ok || reject(new Error(`the victim's event was answered with ${status}`)),
          reject,
        )
      }),
  )
}

async function openStream({ rig, tokens }: Victim, turn: number): Promise<void> {
  const token = tokens[turn % OPENERS] ?? ''
  const ending = new AbortController()
  const response = await fetch(`${rig.origin}/_rig/v1/connection/sse?jwt=${token}`, { signal: ending.signal })
  if (!response.ok || response.body === null)
    throw new Error(`the victim's stream was answered with ${response.status}`)
  await response.body.getReader().read()
  ending.abort()
}

export async function tokenFor(rig: Rig, user: string, claims: object = {}): Promise<string> {
  const body = JSON.stringify({ user, ...claims })
  const response = await fetch(`${rig.origin}/_rig/dev/token`, { method: 'POST', body })
  return ((await response.json()) as { token: string }).token
}

/** Returns a user of the shard, whose name begins so. */
export function userOf(name: string, shard: number): string {
  for (let n = 0; ; n += 1) if (shardOf(`${name}-${n}`, SHARDS) === shard) return `${name}-${n}`
}
