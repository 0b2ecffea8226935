// A STAND-IN for Kafka's REST proxies, written from their documentation and sources (docs/kafka.md): none of
// the real ones can be had here. It speaks the four dialects of the REST Proxy v2 family and Confluent's REST v3 produce,
// with their quirks, over a Backend, behind a load balancer if wanted, and fails on order. What it has in common with the
// real ones is what its author understood of them: it proves that the adapters do what they mean to, not that a proxy
// does. test/kafka/bridges.ts runs it for tests, bridge-kafka.ts for developers.
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { partitionOf } from '../../src/core/events/partitioner.ts'
import type { Backend } from './bridge-backend.ts'
import type { BridgeDialect, BridgeOptions, Failure, Fault } from './bridge-options.ts'
import { BINARY_V2, readRequest, Refused, requireAccept } from './bridge-http.ts'
import type { BridgeAnswer, BridgeRequest } from './bridge-http.ts'
import { Instances } from './bridge-instances.ts'
import { produce, produceV3, type ProduceOptions } from './bridge-produce.ts'

export interface Bridge {
  readonly port: number
  readonly requests: { readonly method: string; readonly path: string; status: number }[]
  readonly failures: (Failure | null)[]
  readonly faults: { left: number; readonly fault: Fault }[]
  /** Of all proxies. */
  instances(): number
  /** `host:port` of each proxy behind the load balancer. */
  hosts(): readonly string[]
  loseInstances(): void
  /** What `authorization` must be from now on: undefined, anything. */
  expect(authorization: string | undefined): void
  /** One of those behind the load balancer ends, with all that it had; and comes back with nothing. */
  stopReplica(index: number): Promise<void>
  startReplica(index: number): Promise<void>
  /** What a restart does: connections cut, instances lost. Comes back on the same port. */
  stop(): Promise<void>
  start(): Promise<void>
}

interface Replica {
  readonly instances: Instances
  readonly open: () => Server
  /** Undefined: it is gone. */
  server: Server | undefined
  port: number
  /** By way of the load balancer. */
  readonly underway: Set<IncomingMessage>
}

export async function createBridge(backend: Backend, options: BridgeOptions): Promise<Bridge> {
  const requests: Bridge['requests'] = []
  const failures: Bridge['failures'] = []
  const faults: Bridge['faults'] = []
  const replicas: Replica[] = []
  const { baseUri = 'inside', dialect, replicas: count = 1, sticky = false } = options
  let { authorization, port = 0 } = options
  let turn = 0

  for (let index = 0; index < count; index += 1) {
    const own = () => `http://127.0.0.1:${replicas[index]?.port ?? 0}`
    // An internal name, and http for what clients reach by https.
    const called = () => (baseUri === 'inside' ? `http://proxy-${index}.internal:8082` : own())
    const instances = new Instances({ dialect, backend, baseUri: called })
    const open = () => createServer((request, response) => void answerTo(request, response, instances))
    const ownPort = port === 0 ? 0 : port + 1 + index
    replicas.push({ instances, open, server: undefined, port: ownPort, underway: new Set() })
  }
  let front = createFront()

  function createFront(): Server {
    return createServer((request, response) => {
      const kept = sticky ? /\bproxy=(\d+)/.exec(request.headers.cookie ?? '')?.[1] : undefined
      const wanted = replicas[Number(kept)]
      const living = replicas.filter(({ server }) => server !== undefined)
      const replica = wanted?.server === undefined ? living[(turn += 1) % living.length] : wanted
      if (replica === undefined) return write(response, { status: 503, text: 'no healthy upstream' })
      if (sticky && replica !== wanted) {
        response.setHeader('set-cookie', `proxy=${replicas.indexOf(replica)}; Path=/; HttpOnly`)
      }
      replica.underway.add(request)
      response.once('close', () => replica.underway.delete(request))
      return void answerTo(request, response, replica.instances)
    })
  }

  async function answerTo(message: IncomingMessage, response: ServerResponse, instances: Instances): Promise<void> {
    const request = await readRequest(message).catch(() => undefined)
    if (request === undefined) return
    const seen = { method: request.method, path: `${request.path}?${request.query}`.replace(/\?$/, ''), status: 0 }
    requests.push(seen)
    const fault = takeFault(request)
    if (fault?.delayMs !== undefined) await new Promise((resolve) => setTimeout(resolve, fault.delayMs))
    const ordered = fault?.status === undefined ? undefined : { status: fault.status, text: fault.text ?? '' }
    const answer = ordered ?? (await handle(request, instances))
    seen.status = answer.status
    if (fault?.cut === true) message.socket.destroy()
    else write(response, answer)
  }

  function takeFault({ method, path }: BridgeRequest): Fault | undefined {
    const found = faults.find(({ fault, left }) => {
      return left > 0 && (fault.method ?? method) === method && new RegExp(fault.pattern).test(path)
    })
    if (found) found.left -= 1
    return found?.fault
  }

  async function handle(request: BridgeRequest, instances: Instances): Promise<BridgeAnswer> {
    try {
      const isKnown = authorization === undefined || request.authorization === authorization
      if (!isKnown) throw new Refused(401, 40_101, 'Unauthorized')
      const produceOptions = { dialect, backend, failures, partitionOf: byMurmur2 }
      return await route(request, dialect, backend, instances, produceOptions)
    } catch (error) {
      if (error instanceof Refused) return error.toAnswer(dialect)
      return { status: 500, body: { error_code: 50_002, message: String(error) } }
    }
  }

  const bridge: Bridge = {
    get port() {
      return port
    },
    requests,
    failures,
    faults,
    instances: () => replicas.reduce((sum, { instances }) => sum + instances.all.size, 0),
    hosts: () => replicas.map((replica) => `127.0.0.1:${replica.port}`),
    loseInstances: () => replicas.forEach(({ instances }) => instances.all.clear()),
    expect: (expected) => (authorization = expected),
    stopReplica: async (index) => {
      const replica = replicas[index]
      if (replica?.server === undefined) return
      const { instances, server, underway } = replica
      replica.server = undefined
      instances.all.clear()
      for (const { socket } of underway) socket.destroy()
      await close(server)
    },
    startReplica: async (index) => {
      const replica = replicas[index]
      if (replica === undefined || replica.server !== undefined) return
      const server = replica.open()
      replica.port = await listen(server, replica.port)
      replica.server = server
    },
    stop: async () => {
      bridge.loseInstances()
      await close(front)
    },
    start: async () => {
      front = createFront()
      port = await listen(front, port)
    },
  }
  for (const index of replicas.keys()) await bridge.startReplica(index)
  port = await listen(front, port)
  return bridge
}

async function close(server: Server): Promise<void> {
  const closed = new Promise((resolve) => server.close(resolve))
  server.closeAllConnections()
  await closed
}

async function listen(server: Server, port: number): Promise<number> {
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve))
  // Workers keep connections, and tests end without closing them.
  server.unref()
  return (server.address() as AddressInfo).port
}

function write(response: ServerResponse, answer: BridgeAnswer): void {
  const { body, contentType = 'application/vnd.kafka.v2+json', status } = answer
  const text = answer.text ?? (body === undefined ? '' : JSON.stringify(body))
  response.writeHead(status, text === '' ? {} : { 'content-type': contentType }).end(text)
}

function byMurmur2(key: string, partitions: number): number {
  return partitionOf(Buffer.from(key, 'base64'), partitions)
}

async function route(
  request: BridgeRequest,
  dialect: BridgeDialect,
  backend: Backend,
  instances: Instances,
  options: ProduceOptions,
): Promise<BridgeAnswer> {
  const { method, path } = request
  const ofInstances = await instances.handle(request)
  if (ofInstances !== undefined) return ofInstances
  const v3 = /^(?:\/kafka)?\/v3\/clusters\/[^/]+\/topics\/([^/]+)\/records$/.exec(path)
  if (v3 && method === 'POST' && dialect === 'confluent') return produceV3(options, request, v3[1] ?? '')
  const topic = /^\/topics\/([^/]+)$/.exec(path)
  if (topic && method === 'POST') return produce(options, request, topic[1] ?? '')
  if (method === 'GET' && path === '/topics') return { status: 200, body: await backend.topics() }
  const found =
    method === 'GET' ? await (dialect === 'redpanda' ? getRedpanda : getOther)(request, dialect, backend) : undefined
  if (found !== undefined) return found
  if (dialect === 'redpanda') return { status: 404, body: { message: 'Not found', code: 404 } }
  throw new Refused(404, 404, 'HTTP 404 Not Found')
}

async function getRedpanda(
  request: BridgeRequest,
  _: BridgeDialect,
  backend: Backend,
): Promise<BridgeAnswer | undefined> {
  const match = /^\/topics\/([^/]+)\/partitions\/(\d+)\/records$/.exec(request.path)
  if (!match) return undefined
  requireAccept(request, 406, BINARY_V2)
  const [offset, timeout, maxBytes] = ['offset', 'timeout', 'max_bytes'].map((name) => {
    const value = request.query.get(name)
    if (value === null) throw new Refused(400, 40_002, `Missing mandatory parameter '${name}'`)
    return Number(value)
  }) as [number, number, number]
  const [topic, partition] = [match[1] ?? '', Number(match[2])]
  const read = await backend.read(topic, partition, offset, { waitMs: timeout, maxBytes })
  if (read.kind === 'unknown') throw new Refused(404, 40_402, 'unknown_topic_or_partition')
  if (read.kind === 'out_of_range') throw new Refused(400, 40_002, 'offset_out_of_range')
  const body = read.records.map(({ key, offset: at, value }) => ({ topic, key, value, partition, offset: at }))
  return { status: 200, body, contentType: BINARY_V2 }
}

async function getOther(
  request: BridgeRequest,
  dialect: BridgeDialect,
  backend: Backend,
): Promise<BridgeAnswer | undefined> {
  const { path } = request
  if (path === '/') return { status: 200, body: dialect === 'strimzi' ? { bridge_version: '1.0.0' } : {} }
  if (path === '/_health' && dialect === 'karapace') {
    return { status: 200, body: { process_uptime_sec: 1, karapace_version: '5.0.0' } }
  }
  const match = /^\/topics\/([^/]+)\/partitions(?:\/(\d+)\/offsets)?$/.exec(path)
  if (!match) return undefined
  const topic = match[1] ?? ''
  const count = await backend.partitions(topic)
  if (count === null) throw new Refused(404, 40_401, `Topic ${topic} not found.`)
  if (match[2] === undefined) {
    const body = Array.from({ length: count }, (_, partition) => ({ partition, leader: 1, replicas: [] }))
    return { status: 200, body }
  }
  const range = await backend.offsets(topic, Number(match[2]))
  if (range === null) throw new Refused(404, 40_402, `Partition ${match[2]} not found.`)
  return { status: 200, body: { beginning_offset: range.earliest, end_offset: range.latest } }
}
