// One connection: many requests at once, answered in order; brokers that are slow, hostile, or gone; no timer and no
// promise is left behind.
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import type { Api } from '../../../src/kafka/protocol/api/api.ts'
import { BrokerConnection } from '../../../src/kafka/protocol/connection.ts'
import { BrokerError, ConnectionError, UNSUPPORTED_VERSION } from '../../../src/kafka/protocol/errors.ts'
import { FakeSocket, type Request } from './fake-socket.ts'

/** Answers the number that it was asked with. */
const echo: Api<number, number> = {
  name: 'Echo',
  key: 7,
  versions: [2, 4],
  flexibleFrom: 3,
  encode: (writer, value) => writer.int32(value),
  decode: (reader) => reader.int32(),
}
const TIMEOUT_MS = 1_000

let socket: FakeSocket
let connection: BrokerConnection

beforeEach(() => {
  vi.useFakeTimers()
  socket = new FakeSocket()
  connection = new BrokerConnection(socket, 'kafka:9092')
})

afterEach(() => {
  const left = vi.getTimerCount()
  vi.useRealTimers()
  if (left > 0) throw new Error(`${left} timers are left behind`)
})

const answer = (request: Request | undefined, value: number) => {
  if (request === undefined) throw new Error('nothing was asked')
  socket.answer(request, echo, (writer) => writer.int32(value))
}

const requestAt = (index: number): Request => {
  const request = socket.requests[index]
  if (request === undefined) throw new Error(`there is no request ${index}`)
  return request
}

/** Of every promise, as it ends: a rejection that nobody looks at would fail the run. */
const outcome = (promise: Promise<number>) => promise.catch((error: unknown) => error)

describe('requests', () => {
  it('go out at once, without waiting for each other, and are answered each with its own', async () => {
    const asked = [1, 2, 3].map((value) => connection.send(echo, value, TIMEOUT_MS))
    expect(socket.requests.map(({ correlationId }) => correlationId)).toEqual([1, 2, 3])
    for (const [index, request] of socket.requests.entries()) answer(request, index * 10)
    expect(await Promise.all(asked)).toEqual([0, 10, 20])
  })

  it('are answered however the bytes are cut', async () => {
    const asked = connection.send(echo, 1, TIMEOUT_MS)
    const other = new FakeSocket()
    other.answer(requestAt(0), echo, (writer) => writer.int32(42))
    for (const byte of (await other.readExactly(12)) ?? []) {
      socket.push(Uint8Array.of(byte))
      await vi.advanceTimersByTimeAsync(1)
    }
    expect(await asked).toBe(42)
  })

  it('speak the newest version that both know, the oldest until that is known', async () => {
    const versionOf = (newest?: number) => {
      void outcome(connection.send(echo, 1, TIMEOUT_MS, newest))
      return socket.requests.at(-1)?.version
    }
    expect(versionOf()).toBe(2)
    connection.versions = new Map([[7, [0, 3]]])
    expect([versionOf(), versionOf(2)]).toEqual([3, 2])
    connection.versions = new Map([[7, [0, 9]]])
    expect(versionOf()).toBe(4)
    connection.close('over')
  })

  it('that the broker does not speak, or no more, are named', async () => {
    connection.versions = new Map([[7, [5, 9]]])
    expect(await outcome(connection.send(echo, 1, TIMEOUT_MS))).toEqual(
      new BrokerError(UNSUPPORTED_VERSION, 'kafka:9092 supports Echo 5 to 9, Rigel 2 to 4'),
    )
    connection.versions = new Map([[8, [0, 9]]])
    const error = new BrokerError(UNSUPPORTED_VERSION, 'kafka:9092 does not support Echo')
    expect(await outcome(connection.send(echo, 1, TIMEOUT_MS))).toEqual(error)
    expect(connection.isOpen).toBe(true)
  })

  it('that cannot be encoded are not waited for: the next is answered', async () => {
    const broken = {
      ...echo,
      encode: () => {
        throw new TypeError('a bug')
      },
    }
    expect(await outcome(connection.send(broken, 1, TIMEOUT_MS))).toEqual(new TypeError('a bug'))
    const asked = connection.send(echo, 1, TIMEOUT_MS)
    answer(socket.requests[0], 5)
    expect(await asked).toBe(5)
  })
})

describe('a broker that', () => {
  it('does not answer in time ends the connection, with all that wait', async () => {
    const asked = [outcome(connection.send(echo, 1, TIMEOUT_MS)), outcome(connection.send(echo, 2, 9_000))]
    await vi.advanceTimersByTimeAsync(TIMEOUT_MS)
    const error = new ConnectionError('Kafka: kafka:9092: closed: Echo was not answered within 1000 ms')
    expect(await Promise.all(asked)).toEqual([error, error])
    expect([connection.isOpen, socket.isClosed]).toEqual([false, true])
    expect(await outcome(connection.send(echo, 3, TIMEOUT_MS))).toEqual(error)
    expect(socket.requests).toHaveLength(2)
  })

  it.each([
    ['closes', 'closed: by the broker', () => socket.end()],
    [
      'closes within an answer',
      'closed: by the broker, within a response',
      () => (socket.push(Uint8Array.of(0, 0, 0, 9, 1)), socket.end()),
    ],
    [
      'greets as a web server does',
      'closed: a response of 1213486160 bytes',
      () => socket.push(new TextEncoder().encode('HTTP/1.1')),
    ],
    ['wants TLS', 'closed: a response of 352518912 bytes', () => socket.push(Uint8Array.of(0x15, 3, 3, 0, 2))],
    [
      'answers more than can be held',
      'closed: a response of 50331649 bytes',
      () => socket.push(Uint8Array.of(3, 0, 0, 1)),
    ],
    ['answers less than a header', 'closed: a response of 3 bytes', () => socket.push(Uint8Array.of(0, 0, 0, 3))],
    ['answers a negative length', 'closed: a response of -1 bytes', () => socket.push(new Uint8Array(4).fill(255))],
    ['answers another request', 'got response 9, expected 1', () => socket.push(Uint8Array.of(0, 0, 0, 4, 0, 0, 0, 9))],
    [
      'answers garbage',
      'the response to Echo cannot be read: RangeError',
      () => socket.push(Uint8Array.of(0, 0, 0, 4, 0, 0, 0, 1)),
    ],
  ])('%s: the request fails with the reason, and the connection ends', async (_what, reason, act) => {
    const asked = outcome(connection.send(echo, 1, TIMEOUT_MS))
    act()
    const error = await asked
    expect(error).toBeInstanceOf(ConnectionError)
    expect(String(error)).toContain(`kafka:9092`)
    expect(String(error)).toContain(reason)
    expect([connection.isOpen, socket.isClosed]).toEqual([false, true])
  })

  it('answers twice ends the connection: what comes next could be anybody’s', async () => {
    const asked = connection.send(echo, 1, TIMEOUT_MS)
    answer(socket.requests[0], 1)
    answer(socket.requests[0], 1)
    expect(await asked).toBe(1)
    await vi.advanceTimersByTimeAsync(0)
    expect(connection.isOpen).toBe(false)
  })

  it('cannot be written to ends the connection', async () => {
    socket.writeError = new Error('reset')
    const error = new ConnectionError('Kafka: kafka:9092: Echo could not be sent: Error: reset')
    expect(await outcome(connection.send(echo, 1, TIMEOUT_MS))).toEqual(error)
    expect(socket.isClosed).toBe(true)
  })
})

describe('retiring', () => {
  it('closes what is idle, but not before somebody who has it in hand has asked', async () => {
    connection.retire('over')
    await vi.advanceTimersByTimeAsync(0)
    expect(socket.isClosed).toBe(true)
  })

  it('answers who asks in the same turn of the event loop', async () => {
    connection.retire('over')
    const asked = connection.send(echo, 1, TIMEOUT_MS)
    await vi.advanceTimersByTimeAsync(0)
    answer(socket.requests[0], 1)
    expect(await asked).toBe(1)
    expect(socket.isClosed).toBe(true)
  })

  it('closes when all that was asked is answered, and takes nothing new in the eyes of who chooses', async () => {
    const asked = [1, 2].map((value) => connection.send(echo, value, TIMEOUT_MS))
    connection.retire('over')
    expect([connection.isOpen, socket.isClosed]).toEqual([false, false])
    for (const [index, request] of socket.requests.entries()) answer(request, index)
    expect(await Promise.all(asked)).toEqual([0, 1])
    expect(socket.isClosed).toBe(true)
  })
})
