// Creates consumer instances at an offset, and makes sure that each is deleted. A proxy that does not answer, or refuses the
// credentials, does not delete one, and some proxies never expire them. So every instance is in a journal, and orphans of this
// or of the follower before its restart are deleted when the next one is created. For instance-reader.ts.
import type { Dialect } from '../../config/kafka-rest.ts'
import type { LogPosition } from '../../core/events/kafka-record.ts'
import type { InstanceJournal } from './instance-journal.ts'
import {
  assign,
  createInstance,
  deleteInstance,
  seek,
  instanceUrlOf,
  type ConsumerInstance,
} from './consumer-instance.ts'
import type { RestClient } from './rest-client.ts'
import { KafkaRestError, NO_RESPONSE } from './rest-error.ts'

/** Attempts to delete one instance. A proxy that is gone for good never deletes it. */
const MAX_DELETE_ATTEMPTS = 5

/** The proxy, the journal of its instances, and the hosts that an instance's URL may name. */
export interface InstancePoolOptions {
  readonly client: RestClient
  readonly dialect: Dialect
  readonly instanceHosts: readonly string[]
  readonly journal: InstanceJournal
  readonly newId: () => string
}

/** The instances of one reader. */
export class InstancePool {
  readonly #options: InstancePoolOptions
  /** URLs of instances that are read from, or will be. */
  readonly #inUse = new Set<string>()
  /** URL → failed attempts to delete it. */
  readonly #attempts = new Map<string, number>()

  constructor(options: InstancePoolOptions) {
    this.#options = options
  }

  /** Returns an instance that reads from `position` on. */
  async create(position: LogPosition): Promise<ConsumerInstance> {
    const { client } = this.#options
    const instance = await this.#create(position)
    try {
      await assign(client, instance, position)
      await seek(client, instance, position)
    } catch (error) {
      await this.release(instance)
      throw error
    }
    await this.#deleteOrphans()
    return instance
  }

  /** Deletes an instance. Never throws: a failed deletion is repeated later. */
  async release(instance: ConsumerInstance): Promise<void> {
    const { client, journal } = this.#options
    const { url } = instance
    this.#inUse.delete(url)
    const attempts = (this.#attempts.get(url) ?? 0) + 1
    const isDone = (await deleteInstance(client, instance)) || attempts >= MAX_DELETE_ATTEMPTS
    if (isDone) journal.remove(instance)
    if (isDone) this.#attempts.delete(url)
    else this.#attempts.set(url, attempts)
  }

  async #create(position: LogPosition): Promise<ConsumerInstance> {
    const { client, dialect, instanceHosts, newId, journal } = this.#options
    const name = `rigel-${position.topic.slice(0, 100)}-${position.partition}-${newId()}`
    try {
      const instance = await createInstance(client, { dialect, name, instanceHosts })
      this.#inUse.add(instance.url)
      journal.add(instance)
      return instance
    } catch (error) {
      // Without a response it may have been created anyway.
      const isUnknown = error instanceof KafkaRestError && error.status === NO_RESPONSE
      if (isUnknown) journal.add({ url: instanceUrlOf(client, name), cookie: undefined })
      throw error
    }
  }

  /** Orphans on a different proxy are dropped, not deleted: the request would leak credentials. */
  async #deleteOrphans(): Promise<void> {
    const { client, instanceHosts, journal } = this.#options
    const orphaned = journal.read().filter(({ url }) => !this.#inUse.has(url))
    const isOurs = ({ url }: ConsumerInstance) =>
      url.startsWith(`${client.url}/`) || instanceHosts.includes(new URL(url).host)
    for (const instance of orphaned) if (!isOurs(instance)) journal.remove(instance)
    await Promise.all(orphaned.filter(isOurs).map((instance) => this.release(instance)))
  }
}
