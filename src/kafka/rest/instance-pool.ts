// The consumer instances of a reader: made ready at an offset, and ended for certain. A proxy that does not answer, or
// refuses the credentials for the moment, does not end one either, and some keep it for ever: so it is noted which
// instances may live, and what is left over, of this life of the follower or a former one, is ended when the next is made.
import type { Dialect } from '../../config/kafka-rest.ts'
import type { LogPosition } from '../../core/events/kafka-record.ts'
import type { InstanceJournal } from './instance-journal.ts'
import { assign, createInstance, deleteInstance, seek, urlOf, type Instance } from './consumer-instance.ts'
import type { RestClient } from './rest-client.ts'
import { KafkaRestError, NO_ANSWER } from './rest-error.ts'

/** A proxy that is gone for good does not end its instances, and nobody else does. */
const MAX_TRIES = 5

export interface InstancesOptions {
  readonly client: RestClient
  readonly dialect: Dialect
  readonly instanceHosts: readonly string[]
  readonly notes: InstanceJournal
  readonly newId: () => string
}

export class Instances {
  readonly #options: InstancesOptions
  /** URLs of those that somebody reads from, or will. */
  readonly #inUse = new Set<string>()
  /** By URL, how often it was tried in vain to end one. */
  readonly #tries = new Map<string, number>()

  constructor(options: InstancesOptions) {
    this.#options = options
  }

  async make(position: LogPosition): Promise<Instance> {
    const { client } = this.#options
    const instance = await this.#create(position)
    try {
      await assign(client, instance, position)
      await seek(client, instance, position)
    } catch (error) {
      await this.end(instance)
      throw error
    }
    await this.#endLeftOver()
    return instance
  }

  /** Never throws: one that cannot be ended now is tried again. */
  async end(instance: Instance): Promise<void> {
    const { client, notes } = this.#options
    const { url } = instance
    this.#inUse.delete(url)
    const tries = (this.#tries.get(url) ?? 0) + 1
    const isOver = (await deleteInstance(client, instance)) || tries >= MAX_TRIES
    if (isOver) notes.remove(instance)
    if (isOver) this.#tries.delete(url)
    else this.#tries.set(url, tries)
  }

  async #create(position: LogPosition): Promise<Instance> {
    const { client, dialect, instanceHosts, newId, notes } = this.#options
    const name = `rigel-${position.topic.slice(0, 100)}-${position.partition}-${newId()}`
    try {
      const instance = await createInstance(client, { dialect, name, instanceHosts })
      this.#inUse.add(instance.url)
      notes.add(instance)
      return instance
    } catch (error) {
      // It may have been made all the same.
      const isUnknown = error instanceof KafkaRestError && error.status === NO_ANSWER
      if (isUnknown) notes.add({ url: urlOf(client, name), cookie: undefined })
      throw error
    }
  }

  /** Of another proxy, it is not asked for: it would get the credentials. */
  async #endLeftOver(): Promise<void> {
    const { client, instanceHosts, notes } = this.#options
    const leftOver = notes.read().filter(({ url }) => !this.#inUse.has(url))
    const isOurs = ({ url }: Instance) => url.startsWith(`${client.url}/`) || instanceHosts.includes(new URL(url).host)
    for (const instance of leftOver) if (!isOurs(instance)) notes.remove(instance)
    await Promise.all(leftOver.filter(isOurs).map((instance) => this.end(instance)))
  }
}
