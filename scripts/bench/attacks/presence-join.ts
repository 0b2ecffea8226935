// What it takes to join a presence topic of many members, and how many messages changes of it are. For attacks.ts.
import { once } from 'node:events'
import { WebSocket } from 'ws'
import { millisecondsOf } from '../figure.ts'
import { call, type Rig } from '../rig.ts'
import { tokenFor } from './victim.ts'

export const MEMBERS = 10_000

/** Joins by Phoenix when all members are present, the first and the second member of a shard. Returns what each took. */
export async function measureJoin(rig: Rig): Promise<readonly string[]> {
  await call(rig, `presence?topic=role:crowd&count=${MEMBERS}`)
  const token = await tokenFor(rig, 'boss', { roles: ['support'] })
  const lines: string[] = []
  for (const which of ['first', 'second']) {
    const socket = new WebSocket(`${rig.wsOrigin}/_rig/v1/connection/phoenix/websocket?vsn=2.0.0&token=${token}`)
    await once(socket, 'open')
    let names = 0
    let bytes = 0
    let messages = 0
    const ms = await millisecondsOf(
      () =>
        new Promise<void>((resolve) => {
          socket.on('message', (data: Buffer) => {
            const [, , , event, payload] = JSON.parse(data.toString()) as [null, null, string, string, Payload]
            if (!event.startsWith('presence_')) return
            bytes += data.length
            messages += 1
            names += Object.keys(event === 'presence_state' ? payload : (payload.joins ?? {})).length
            if (names >= MEMBERS) resolve()
          })
          socket.send(JSON.stringify(['1', '1', 'role:crowd', 'phx_join', {}]))
        }),
    )
    const churn = await countDiffs(rig, socket)
    socket.terminate()
    lines.push(
      `The ${which} join of a topic with ${MEMBERS.toLocaleString('en')} members: ${Math.round(ms)} ms until all names are there, ` +
        `${(bytes / 1_000).toFixed(0)} kB in ${messages} messages. 200 members who come at once: ` +
        `${churn.diffs} diffs of ${(churn.bytes / 1_000).toFixed(0)} kB together.`,
    )
  }
  return lines
}

type Payload = Readonly<Record<string, unknown>> & { readonly joins?: object }

async function countDiffs(rig: Rig, socket: WebSocket): Promise<{ readonly diffs: number; readonly bytes: number }> {
  let diffs = 0
  let bytes = 0
  let names = 0
  const all = new Promise<void>((resolve) => {
    socket.on('message', (data: Buffer) => {
      const [, , , event, payload] = JSON.parse(data.toString()) as [null, null, string, string, Payload]
      if (event !== 'presence_diff') return
      diffs += 1
      bytes += data.length
      names += Object.keys(payload.joins ?? {}).length
      if (names >= 200) resolve()
    })
  })
  await call(rig, 'presence?topic=role:crowd&count=200')
  await all
  return { diffs, bytes }
}
