// Kafka REST proxies for tests in workerd, which can start no process: this one makes stand-in bridges on request, each
// with a log of its own, and does to them what tests order. Prints its port. Run: node test/kafka/bridges.ts
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { json } from 'node:stream/consumers'
import type { BridgeOptions } from '../../scripts/kafka/bridge-options.ts'
import { createBridge, type Bridge } from '../../scripts/kafka/bridge.ts'
import { KafkaBackend } from '../../scripts/kafka/kafka-backend.ts'
import { MemoryBackend } from '../../scripts/kafka/memory-backend.ts'
import type { BridgeState, Order } from './orders.ts'

const bridges = new Map<string, { readonly bridge: Bridge; readonly backend: MemoryBackend | KafkaBackend }>()

async function obey(bridge: Bridge, backend: MemoryBackend | KafkaBackend, order: Order): Promise<void> {
  const { createTopic, failures, fault } = order
  if (createTopic) await backend.createTopic(createTopic.topic, createTopic.partitions)
  if (backend instanceof MemoryBackend) await obeyInMemory(backend, order)
  if (fault) bridge.faults.push({ left: fault.times, fault })
  if (failures) bridge.failures.push(...failures)
  if (order.loseInstances) bridge.loseInstances()
  if (order.expect !== undefined) bridge.expect(order.expect)
  if (order.stopReplica !== undefined) await bridge.stopReplica(order.stopReplica)
  if (order.startReplica !== undefined) await bridge.startReplica(order.startReplica)
  if (order.stop) await bridge.stop()
  if (order.start) await bridge.start()
}

async function obeyInMemory(backend: MemoryBackend, order: Order): Promise<void> {
  const { addPartitions, append, compact, mark, trim } = order
  if (addPartitions) backend.addPartitions(addPartitions.topic, addPartitions.partitions)
  if (order.removeTopic !== undefined) backend.removeTopic(order.removeTopic)
  if (append) await backend.append(append.topic, append.partition, append.records)
  if (trim) backend.trim(trim.topic, trim.partition, trim.before)
  if (compact) backend.compact(compact.topic, compact.partition, compact.offset)
  if (mark) backend.mark(mark.topic, mark.partition)
}

const server = createServer((request, response) => void answer(request, response))

async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const id = request.url?.slice(1) ?? ''
  const known = bridges.get(id)
  try {
    if (request.method === 'POST' && known === undefined) {
      const options = (await json(request)) as BridgeOptions
      const backend = options.brokers === undefined ? new MemoryBackend() : await KafkaBackend.connect(options.brokers)
      bridges.set(id, { bridge: await createBridge(backend, options), backend })
    } else if (request.method === 'POST' && known !== undefined) {
      await obey(known.bridge, known.backend, (await json(request)) as Order)
    }
    const { bridge } = bridges.get(id) ?? {}
    if (bridge === undefined) throw new Error(`no bridge ${id}`)
    const { port, requests } = bridge
    const state: BridgeState = { port, requests, instances: bridge.instances(), hosts: bridge.hosts() }
    response.end(JSON.stringify(state))
  } catch (error) {
    response.writeHead(500).end(String(error))
  }
}

server.listen(0, '127.0.0.1', () => console.log((server.address() as AddressInfo).port))
