// A client of the whole gateway, through the Worker: connect, subscribe, publish, poll.
import { exports } from 'cloudflare:workers'
import { SignJWT } from 'jose'
import { SseClient, WsClient } from './shard-clients.ts'

const BASE = 'https://rigel.test'
const SECRET = new TextEncoder().encode('a test secret of 32 bytes or more')

export function fetchRigel(path: string, init?: RequestInit): Promise<Response> {
  return exports.default.fetch(new Request(`${BASE}${path}`, init))
}

export function tokenFor(user: string): Promise<string> {
  const claims = { username: user }
  return new SignJWT(claims).setProtectedHeader({ alg: 'HS256' }).setSubject(user).setExpirationTime('1h').sign(SECRET)
}

export interface Wanted {
  readonly user?: string
  readonly subscriptions?: readonly unknown[]
  readonly lastEventId?: string
  readonly asOf?: string
  readonly since?: string
}

async function query({ user, subscriptions, lastEventId, asOf, since }: Wanted): Promise<string> {
  const parameters = new URLSearchParams()
  if (user !== undefined) parameters.set('jwt', await tokenFor(user))
  if (subscriptions !== undefined) parameters.set('subscriptions', JSON.stringify(subscriptions))
  if (lastEventId !== undefined) parameters.set('last_event_id', lastEventId)
  if (asOf !== undefined) parameters.set('as_of', asOf)
  if (since !== undefined) parameters.set('since', since)
  return parameters.toString()
}

/** Connected, and its subscriptions confirmed. */
export async function connectSse(wanted: Wanted = {}): Promise<SseClient> {
  const response = await fetchRigel(`/_rig/v1/connection/sse?${await query(wanted)}`)
  if (response.status !== 200) throw new Error(`${response.status}: ${await response.text()}`)
  const client = new SseClient(response)
  await client.until(2)
  return client
}

/** Connected, and its subscriptions confirmed. */
export async function connectWs(wanted: Wanted = {}, protocol?: 'rigel.v1'): Promise<WsClient> {
  const headers = { upgrade: 'websocket', ...(protocol === undefined ? {} : { 'sec-websocket-protocol': protocol }) }
  const client = new WsClient(await fetchRigel(`/_rig/v1/connection/ws?${await query(wanted)}`, { headers }))
  await client.untilType('rig.subscriptions_set', 1)
  return client
}

/** A long-polling client with a browser's cookies. */
export class PollClient {
  readonly events: Record<string, unknown>[] = []
  lastEventId = ''
  recovered: boolean | undefined
  #cookies = ''
  #query = ''

  static async open(wanted: Wanted = {}): Promise<PollClient> {
    const client = new PollClient()
    client.#query = await query(wanted)
    await client.poll()
    await client.untilType('rig.subscriptions_set', 1)
    return client
  }

  async poll(): Promise<void> {
    const response = await fetchRigel(`/_rig/v1/connection/longpolling?${this.#query}`, {
      headers: { cookie: this.#cookies },
    })
    if (response.status !== 200) throw new Error(`${response.status}: ${await response.text()}`)
    const cookies = response.headers.getSetCookie().map((cookie) => cookie.split(';')[0] ?? '')
    if (cookies.length > 0) this.#cookies = cookies.join('; ')
    const answer: unknown = await response.json()
    if (answer === 'ok') return
    const { events, last_event_id, recovered } = answer as {
      events: Record<string, unknown>[]
      last_event_id: string
      recovered?: boolean
    }
    this.events.push(...events)
    this.lastEventId = last_event_id
    this.recovered = recovered
  }

  async untilType(type: string, count: number): Promise<readonly Record<string, unknown>[]> {
    const found = () => this.events.filter((event) => event['type'] === type)
    while (found().length < count) await this.poll()
    return found()
  }
}

let published = 0

export async function publish(
  event: Record<string, unknown>,
): Promise<{ topic: string; partition: number; offset: number }> {
  published += 1
  const response = await fetchRigel('/_rig/v1/events', {
    method: 'POST',
    headers: { 'content-type': 'application/cloudevents+json' },
    body: JSON.stringify({ specversion: '1.0', id: `e${published}`, source: '/test', ...event }),
  })
  if (response.status !== 202) throw new Error(`${response.status}: ${await response.text()}`)
  return response.json()
}
