// Kafka REST proxies for tests in workerd, which can start no process: this one makes stand-in bridges on request, each
// with a log of its own, and does to them what tests command. Prints its port. Run: node test/kafka/bridges.ts
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { json } from 'node:stream/consumers'
import type { BridgeOptions } from '../../scripts/kafka/bridge-options.ts'
import { createBridge, type Bridge } from '../../scripts/kafka/bridge.ts'
import { KafkaBackend } from '../../scripts/kafka/kafka-backend.ts'
import { MemoryBackend } from '../../scripts/kafka/memory-backend.ts'
import type { BridgeState, BridgeCommand } from './bridge-commands.ts'

/** A connection that is closed for having been idle (after 5 s by default) just when it is used again would fail a POST. */
const UNUSED_MS = 3_600_000

const bridges = new Map<string, { readonly bridge: Bridge; readonly backend: MemoryBackend | KafkaBackend }>()

async function execute(bridge: Bridge, backend: MemoryBackend | KafkaBackend, command: BridgeCommand): Promise<void> {
  const { createTopic, failures, fault } = command
  if (createTopic) await backend.createTopic(createTopic.topic, createTopic.partitions)
  if (backend instanceof MemoryBackend) await executeInMemory(backend, command)
  if (fault) bridge.faults.push({ left: fault.times, fault })
  if (failures) bridge.failures.push(...failures)
  if (command.loseInstances) bridge.loseInstances()
  if (command.expect !== undefined) bridge.expect(command.expect)
  if (command.stopReplica !== undefined) await bridge.stopReplica(command.stopReplica)
  if (command.startReplica !== undefined) await bridge.startReplica(command.startReplica)
  if (command.stop) await bridge.stop()
  if (command.start) await bridge.start()
}

async function executeInMemory(backend: MemoryBackend, command: BridgeCommand): Promise<void> {
  const { addPartitions, append, compact, mark, trim } = command
  if (addPartitions) backend.addPartitions(addPartitions.topic, addPartitions.partitions)
  if (command.removeTopic !== undefined) backend.removeTopic(command.removeTopic)
  if (append) await backend.append(append.topic, append.partition, append.records)
  if (trim) backend.trim(trim.topic, trim.partition, trim.before)
  if (compact) backend.compact(compact.topic, compact.partition, compact.offset)
  if (mark) backend.mark(mark.topic, mark.partition)
}

const server = createServer({ keepAliveTimeout: UNUSED_MS }, (request, response) => void answer(request, response))

async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const id = request.url?.slice(1) ?? ''
  const known = bridges.get(id)
  try {
    if (request.method === 'POST' && known === undefined) {
      const options = (await json(request)) as BridgeOptions
      const backend = options.brokers === undefined ? new MemoryBackend() : await KafkaBackend.connect(options.brokers)
      bridges.set(id, { bridge: await createBridge(backend, options), backend })
    } else if (request.method === 'POST' && known !== undefined) {
      await execute(known.bridge, known.backend, (await json(request)) as BridgeCommand)
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
