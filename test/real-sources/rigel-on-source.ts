// What the tests of this folder share: Rigel as `npm start` runs it, following a real source, and clients of every transport.
import { connectLongpolling, connectRigelSocket, connectSse, type Client } from '../e2e/clients.ts'
import { type Rigel, until } from '../e2e/rigel.ts'
import { ADDRESSED, BROADCAST, settle } from '../real-kafka/events.ts'
import { askInternal, startRigel } from '../real-kafka/rigel-on-kafka.ts'
import { EventSequence, type Put } from './events.ts'

/** What `GET /_rig/api/v3/followers` says of one partition. */
export interface FollowerState {
  readonly topic: string
  readonly partition: number
  readonly counters: {
    readonly offset: number
    readonly records: number
    readonly lost: number
    readonly deadLetters: number
    readonly cursor?: string | null
  } | null
  readonly lag: number | null
  readonly failures: number
  readonly lastError: string | null
}

export class RigelOnSource {
  readonly rigel: Rigel
  readonly events: EventSequence
  readonly clients: Client[] = []

  private constructor(rigel: Rigel, events: EventSequence) {
    this.rigel = rigel
    this.events = events
  }

  static async start(variables: Readonly<Record<string, string>>, port: number, put: Put): Promise<RigelOnSource> {
    return new RigelOnSource(await startRigel(variables, port), new EventSequence(put))
  }

  /** Of each transport, one for alice and one for nobody. */
  async connectClients(): Promise<void> {
    for (const user of ['alice', null]) {
      const token = user === null ? null : await this.rigel.mintToken(user)
      const options = { origin: this.rigel.origin, user, token, types: [BROADCAST], addressedTypes: [ADDRESSED] }
      for (const connect of [connectSse, connectRigelSocket, connectLongpolling]) this.clients.push(connect(options))
    }
    // Who connects between the two events of a round would see only the second.
    await until('every client is connected', () => this.clients.every(({ recovered }) => recovered.length > 0), 30_000)
    await this.events.produce(1)
    await until('every client sees the first event', () => this.clients.every(({ seen }) => seen.length > 0), 30_000)
  }

  async settle(withinMs = 60_000): Promise<void> {
    await settle(this.clients, this.events.all, withinMs)
  }

  internal(path: string): Promise<{ readonly status: number; readonly body: string }> {
    return askInternal(this.rigel, path)
  }

  async followers(topic: string): Promise<readonly FollowerState[]> {
    const { body } = await this.internal('v3/followers')
    const { followers } = JSON.parse(body) as { readonly followers: readonly FollowerState[] }
    return followers.filter((follower) => follower.topic === topic)
  }

  async end(): Promise<void> {
    for (const client of this.clients) client.close()
    await this.rigel.end()
  }
}
