// A cluster of fake brokers whose leaders move, whose brokers die, and which says the wrong thing: who is asked, how often,
// and which connections are kept.
import { beforeEach, describe, expect, it } from 'vitest'
import { apiVersions } from '../../../src/kafka/protocol/api/api-versions.ts'
import { metadata } from '../../../src/kafka/protocol/api/metadata.ts'
import { saslAuthenticate, saslHandshake } from '../../../src/kafka/protocol/api/sasl.ts'
import { Cluster, type ClusterOptions } from '../../../src/kafka/protocol/cluster.ts'
import type { BrokerConnection } from '../../../src/kafka/protocol/connection.ts'
import { AuthenticationError, BrokerError, ConnectionError } from '../../../src/kafka/protocol/errors.ts'
import { plain } from '../../../src/kafka/protocol/auth/sasl.ts'
import type { SocketAddress } from '../../../src/kafka/protocol/socket-port.ts'
import { FakeSocket, type Request } from './fake-socket.ts'

interface Topic {
  errorCode?: number
  topicId?: string
  /** The leader of each partition: the number of a broker, or −1. */
  leaders: number[]
}

const ID = 'ab'.repeat(16)

class FakeCluster {
  nowMs = 1_000_000
  slept: number[] = []
  /** By port; a broker that is not in it cannot be reached. */
  readonly alive = new Set([1, 2, 3])
  readonly topics = new Map<string, Topic>([['rig', { leaders: [1, 2, 3], topicId: ID }]])
  readonly sockets: { port: number; socket: FakeSocket }[] = []
  /** Port and name of each request. */
  readonly asked: string[] = []
  lifetimeMs = 0
  refusal: string | null = null
  /** Answers nothing while set. */
  isSilent = false
  /** Called after each answer about topics. */
  afterMetadata: () => void = () => undefined

  options(more: Partial<ClusterOptions> = {}): ClusterOptions {
    const nowMs = () => this.nowMs
    return {
      bootstrap: [1, 2].map((port) => ({ host: 'kafka', port })),
      open: (address) => this.#open(address),
      authentication: { mechanism: null, timeoutMs: 1_000, nowMs },
      nowMs,
      random: () => 0,
      sleep: async (ms) => void this.slept.push(ms),
      ...more,
    }
  }

  openSockets(): readonly number[] {
    return this.sockets.filter(({ socket }) => !socket.isClosed).map(({ port }) => port)
  }

  /** What was asked last on a connection while it was silent. */
  answerLate(connection: number) {
    const socket = this.sockets[connection]?.socket
    const request = socket?.requests.at(-1)
    if (request !== undefined) socket?.onRequest(request)
  }

  async #open({ port }: SocketAddress) {
    if (!this.alive.has(port)) throw new ConnectionError(`no connection to ${port}`)
    const socket = new FakeSocket()
    this.sockets.push({ port, socket })
    socket.onRequest = (request) => this.#answer(port, socket, request)
    return socket
  }

  #answer(port: number, socket: FakeSocket, request: Request) {
    const name = { 18: 'ApiVersions', 3: 'Metadata', 17: 'SaslHandshake', 36: 'SaslAuthenticate' }[request.key]
    if (name !== 'ApiVersions') this.asked.push(`${port} ${name}`)
    if (this.isSilent) return
    if (request.key === apiVersions.key) {
      socket.answer(request, apiVersions, (writer) => {
        writer.int16(0)
        writer.array([3, 17, 36], (key) => [key, 0, key === 3 ? 12 : 1].forEach((value) => writer.int16(value)))
      })
    } else if (request.key === saslHandshake.key) {
      socket.answer(request, saslHandshake, (writer) => (writer.int16(0), writer.array([], () => undefined)))
    } else if (request.key === saslAuthenticate.key) {
      socket.answer(request, saslAuthenticate, (writer) => {
        writer.int16(this.refusal === null ? 0 : 58)
        writer.nullableString(this.refusal)
        writer.bytes(new Uint8Array())
        writer.int64(this.lifetimeMs)
      })
    } else {
      this.#answerMetadata(socket, request)
      this.afterMetadata()
    }
  }

  #answerMetadata(socket: FakeSocket, request: Request) {
    const name = [...this.topics.keys()][0] ?? 'rig'
    const topic = this.topics.get(name)
    socket.answer(request, metadata, (writer) => {
      writer.int32(0)
      writer.array([1, 2, 3], (id) => {
        writer.int32(id)
        writer.string('kafka')
        writer.int32(id)
        writer.nullableString(null)
        writer.end()
      })
      writer.nullableString(null)
      writer.int32(1)
      writer.array([topic], (one) => {
        writer.int16(one === undefined ? 3 : (one.errorCode ?? 0))
        writer.string(name)
        writer.uuid(one?.topicId ?? '0'.repeat(32))
        writer.boolean(false)
        writer.array([...(one?.leaders ?? []).entries()], ([partition, leader]) => {
          writer.int16(leader < 0 ? 5 : 0)
          writer.int32(partition)
          writer.int32(leader)
          writer.int32(7)
          for (let list = 0; list < 3; list += 1) writer.array([], () => undefined)
          writer.end()
        })
        writer.int32(0)
        writer.end()
      })
      writer.end()
    })
  }
}

let kafka: FakeCluster
let cluster: Cluster

beforeEach(() => {
  kafka = new FakeCluster()
  cluster = new Cluster(kafka.options())
})

const at = (partition: number) => ({ topic: 'rig', partition })
const outcome = (promise: Promise<unknown>) => promise.catch((error: unknown) => error)
const countOf = (name: string) => kafka.asked.filter((one) => one.endsWith(name)).length
const leaderOf = (partition: number) =>
  cluster.withLeader(at(partition), 'fetch', async (_connection, { broker }) => broker.id)

async function until(condition: () => boolean): Promise<void> {
  await expect.poll(condition).toBe(true)
}

describe('the leader of a partition', () => {
  it('is asked for once, and remembered', async () => {
    expect([await leaderOf(0), await leaderOf(1), await leaderOf(2)]).toEqual([1, 2, 3])
    expect(countOf('Metadata')).toBe(1)
  })

  it('that leads no more is asked for anew, at once and then with pauses', async () => {
    const seen: number[] = []
    const answer = await cluster.withLeader(at(0), 'fetch', async (_connection, { broker }) => {
      seen.push(broker.id)
      if (seen.length === 2) kafka.topics.set('rig', { leaders: [3, 2, 1] })
      if (broker.id === 1) throw new BrokerError(6, 'fetching')
      return 'read'
    })
    expect([answer, seen]).toEqual(['read', [1, 1, 3]])
    expect(kafka.slept).toEqual([50, 100])
  })

  it('that is gone is tried five times in all, then the error is the caller’s', async () => {
    kafka.alive.delete(3)
    expect(await outcome(leaderOf(2))).toEqual(new ConnectionError('no connection to 3'))
    expect(kafka.slept).toHaveLength(4)
    kafka.topics.set('rig', { leaders: [1, 2, 2] })
    expect(await leaderOf(2)).toBe(2)
  })

  it('that there is none of, for now, is waited for', async () => {
    kafka.topics.set('rig', { leaders: [-1] })
    kafka.afterMetadata = () => countOf('Metadata') === 3 && kafka.topics.set('rig', { leaders: [2] })
    expect(await leaderOf(0)).toBe(2)
  })

  it('of a partition that was added since is asked for', async () => {
    kafka.topics.set('rig', { leaders: [1] })
    expect(await leaderOf(1)).toBeUndefined()
    kafka.topics.set('rig', { leaders: [1, 2] })
    expect(await leaderOf(1)).toBe(2)
  })

  it('of a topic that is made anew has its new id, once a broker says that it knows the old one no more', async () => {
    await leaderOf(0)
    const other = 'cd'.repeat(16)
    kafka.topics.set('rig', { leaders: [1], topicId: other })
    const id = await cluster.withLeader(at(0), 'fetch', async (_connection, { topicId }) => {
      if (topicId === ID) throw new BrokerError(100, 'fetching')
      return topicId
    })
    expect(id).toBe(other)
  })

  it('is not asked again after an error that another attempt cannot mend', async () => {
    for (const error of [new BrokerError(29, 'fetching'), new RangeError('a bug'), new AuthenticationError('no')]) {
      expect(await outcome(cluster.withLeader(at(0), 'fetch', () => Promise.reject(error)))).toBe(error)
    }
    expect(kafka.slept).toEqual([])
  })
})

describe('a topic', () => {
  it('that there is not has no partitions; one that is being made is waited for by who produces', async () => {
    kafka.topics.set('rig', { leaders: [], errorCode: 3 })
    expect(await cluster.partitions('rig')).toEqual([])
    expect(await leaderOf(0)).toBeUndefined()
    kafka.topics.set('rig', { leaders: [] })
    kafka.afterMetadata = () => countOf('Metadata') === 5 && kafka.topics.set('rig', { leaders: [1, 2] })
    expect(await cluster.partitionCount('rig')).toBe(2)
  })

  it('gets partitions, which producers see within a minute', async () => {
    expect(await cluster.partitionCount('rig')).toBe(3)
    kafka.topics.set('rig', { leaders: [1, 2, 3, -1] })
    expect(await cluster.partitionCount('rig')).toBe(3)
    kafka.nowMs += 60_000
    expect(await cluster.partitionCount('rig')).toBe(4)
  })
})

describe('any broker', () => {
  it('is another if one is out of reach, each tried once', async () => {
    kafka.alive.delete(1)
    expect(await cluster.partitions('rig')).toHaveLength(3)
    expect(kafka.asked).toEqual(['2 Metadata'])
  })

  it('that is learned from the cluster is asked when none of the configured is left', async () => {
    await cluster.partitions('rig')
    kafka.alive.clear()
    kafka.alive.add(3)
    for (const { socket } of kafka.sockets) socket.end()
    expect(await cluster.partitions('rig')).toHaveLength(3)
  })

  it('none: the error names the last', async () => {
    kafka.alive.clear()
    expect(await outcome(cluster.partitions('rig'))).toEqual(new ConnectionError('no connection to 2'))
  })
})

describe('connections', () => {
  const connect = (port: number, lane: 'fetch' | 'control' = 'fetch') =>
    cluster.connection({ host: 'kafka', port }, lane)

  it('are one a broker and lane, also for those who ask at once', async () => {
    const all = await Promise.all([connect(1), connect(1), connect(1, 'control'), connect(2)])
    expect(new Set(all).size).toBe(3)
    expect(kafka.sockets).toHaveLength(3)
  })

  it('that died are opened anew', async () => {
    const first = await connect(1)
    kafka.sockets[0]?.socket.end()
    await Promise.resolve()
    expect(await connect(1)).not.toBe(first)
    expect(kafka.openSockets()).toEqual([1])
  })

  it('that could not be opened fail for all who wait, and are tried anew by the next', async () => {
    kafka.alive.delete(1)
    const both = await Promise.all([outcome(connect(1)), outcome(connect(1))])
    expect(both).toEqual([new ConnectionError('no connection to 1'), new ConnectionError('no connection to 1')])
    kafka.alive.add(1)
    expect((await connect(1)).isOpen).toBe(true)
  })

  it('are five at most; the least recently used go, after what is under way on them', async () => {
    kafka.alive.add(4).add(5).add(6).add(7)
    const [first] = await Promise.all([1, 2, 3, 4, 5].map((port) => connect(port)))
    kafka.isSilent = true
    const asked = outcome((first as BrokerConnection).send(metadata, { topics: ['rig'], create: false }, 60_000))
    kafka.isSilent = false
    await connect(2)
    await connect(6)
    await connect(7)
    await expect.poll(() => kafka.openSockets()).toEqual([1, 2, 4, 5, 6, 7])
    kafka.answerLate(0)
    expect(await asked).toMatchObject({ topics: [{ name: 'rig' }] })
    expect(kafka.openSockets()).toEqual([2, 4, 5, 6, 7])
  })
})

describe('connections that many ask for at once', () => {
  const ask = async (port: number) => {
    const connection = await cluster.connection({ host: 'kafka', port }, 'control')
    return connection.send(metadata, { topics: ['rig'], create: false }, 60_000)
  }
  const ports = [1, 2, 3, 4, 5, 6, 7, 8, 9]

  it('are asked on before they make room for others, and then do', async () => {
    for (const port of ports) kafka.alive.add(port)
    const answers = await Promise.allSettled(ports.map((port) => ask(port)))
    expect(answers.map(({ status }) => status)).toEqual(ports.map(() => 'fulfilled'))
    await until(() => kafka.openSockets().length === 5)
  })

  it('are not closed between the moment that one is had, and the question', async () => {
    for (const port of ports) kafka.alive.add(port)
    for (const port of [1, 2, 3, 4, 5]) await ask(port)
    const answers = await Promise.allSettled([1, 6, 7, 8, 9, 2].map((port) => ask(port)))
    expect(answers.map(({ status }) => status)).toEqual(answers.map(() => 'fulfilled'))
    await until(() => kafka.openSockets().length === 5)
  })
})

describe('authentication', () => {
  const authenticated = () => {
    const nowMs = () => kafka.nowMs
    const mechanism = plain({ username: 'rigel', password: 'secret' })
    return new Cluster(kafka.options({ authentication: { mechanism, timeoutMs: 1_000, nowMs } }))
  }

  it('is asked for on each connection; what is under way when its lifetime ends is answered', async () => {
    kafka.lifetimeMs = 10_000
    cluster = authenticated()
    const first = await cluster.connection({ host: 'kafka', port: 1 }, 'fetch')
    expect(kafka.asked).toEqual(['1 SaslHandshake', '1 SaslAuthenticate'])
    kafka.isSilent = true
    const asked = first.send(metadata, { topics: ['rig'], create: false }, 60_000)
    kafka.isSilent = false
    kafka.nowMs += 8_000
    expect(await cluster.connection({ host: 'kafka', port: 1 }, 'fetch')).not.toBe(first)
    expect(kafka.openSockets()).toEqual([1, 1])
    kafka.answerLate(0)
    expect((await asked).brokers).toHaveLength(3)
    expect(kafka.openSockets()).toEqual([1])
  })

  it('that is refused says why, is not tried again, and leaves no socket', async () => {
    kafka.refusal = 'Invalid username or password'
    cluster = authenticated()
    const error = await outcome(leaderOf(0))
    expect(error).toEqual(new AuthenticationError('Kafka: PLAIN: Invalid username or password'))
    expect(kafka.slept).toEqual([])
    expect(kafka.openSockets()).toEqual([])
  })

  it('that is not answered ends with the connection, and leaves no socket', async () => {
    kafka.isSilent = true
    const nowMs = () => kafka.nowMs
    cluster = new Cluster(kafka.options({ authentication: { mechanism: null, timeoutMs: 5, nowMs } }))
    expect(String(await outcome(cluster.partitions('rig')))).toContain('ApiVersions was not answered within 5 ms')
    expect(kafka.openSockets()).toEqual([])
  })
})
