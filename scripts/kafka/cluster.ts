// A real Kafka as child processes: started, killed, started again, stopped; and Kafka's own console tools. For
// scripts/kafka.ts, the tests of test/real-kafka and the bench.
import { execFile, spawn, type ChildProcess } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync, createWriteStream } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { findJava, kafkaClassPath } from './distribution.ts'
import { nodeProperties, portsOf, user, type ClusterShape } from './properties.ts'

const START_TIMEOUT_MS = 60_000
const STOP_TIMEOUT_MS = 20_000
const TOOL_TIMEOUT_MS = 60_000
const CLUSTER_ID = 'cmlnZWwtdGVzdC1rYWZrYQ'

/** Small heaps and the quick compiler: these live for minutes. */
const BROKER_JVM = ['-Xms256m', '-Xmx768m', '-XX:+UseSerialGC', '-Djava.awt.headless=true']
const TOOL_JVM = ['-Xmx256m', '-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1', '-Xshare:auto']

const LOG4J = `
status = error
rootLogger.level = info
rootLogger.appenderRef.out.ref = OUT
appender.out.type = Console
appender.out.name = OUT
appender.out.layout.type = PatternLayout
appender.out.layout.pattern = [%d] %p %m (%c)%n
`

/** Where Kafka's bin/*.sh point to. */
const TOOLS = {
  'kafka-console-producer': 'org.apache.kafka.tools.ConsoleProducer',
  'kafka-console-consumer': 'org.apache.kafka.tools.consumer.ConsoleConsumer',
  'kafka-topics': 'org.apache.kafka.tools.TopicCommand',
  'kafka-configs': 'kafka.admin.ConfigCommand',
  'kafka-consumer-groups': 'org.apache.kafka.tools.consumer.group.ConsumerGroupCommand',
  'kafka-delete-records': 'org.apache.kafka.tools.DeleteRecordsCommand',
  'kafka-get-offsets': 'org.apache.kafka.tools.GetOffsetShell',
  'kafka-reassign-partitions': 'org.apache.kafka.tools.reassign.ReassignPartitionsCommand',
  'kafka-leader-election': 'org.apache.kafka.tools.LeaderElectionCommand',
  'kafka-producer-perf-test': 'org.apache.kafka.tools.ProducerPerformance',
  'kafka-storage': 'kafka.tools.StorageTool',
} as const

export interface ClusterOptions extends ClusterShape {
  /** Where the data is; without it a temporary folder, which goes with the cluster. */
  readonly folder?: string | undefined
}

export interface Cluster {
  /** `host:port,…` of each listener. */
  readonly brokers: { readonly plain: string; readonly sasl: string; readonly tls: string }
  readonly folder: string
  /** The processes of the nodes that run. */
  pids(): readonly number[]
  /** Runs one of Kafka's console tools; `--bootstrap-server` is added. Answers what it wrote; throws if it failed. */
  tool(name: keyof typeof TOOLS, args: readonly string[], input?: string): Promise<string>
  startNode(node: number): Promise<void>
  /** `SIGTERM`: it hands its leaderships over first. `SIGKILL`: it is gone. `SIGSTOP`/`SIGCONT`: it is slow. */
  signalNode(node: number, signal: 'SIGTERM' | 'SIGKILL' | 'SIGSTOP' | 'SIGCONT'): Promise<void>
  stop(): Promise<void>
}

export async function startCluster(options: ClusterOptions): Promise<Cluster> {
  const java = findJava()
  const classPath = await kafkaClassPath()
  const folder = options.folder ?? mkdtempSync(join(tmpdir(), 'rigel-kafka-'))
  const nodes = Array.from({ length: options.nodes }, (_, index) => index + 1)
  const running = new Map<number, ChildProcess>()
  const listen = (kind: 'plain' | 'sasl' | 'tls') =>
    nodes.map((node) => `${kind === 'tls' ? 'localhost' : '127.0.0.1'}:${portsOf(options, node)[kind]}`).join(',')
  const brokers = { plain: listen('plain'), sasl: listen('sasl'), tls: listen('tls') }
  const killAll = () => running.forEach((process) => process.kill('SIGKILL'))
  process.on('exit', killAll)

  const tool: Cluster['tool'] = (name, args, input) =>
    runTool(
      java,
      classPath,
      [TOOLS[name], ...(name === 'kafka-storage' ? [] : ['--bootstrap-server', brokers.plain]), ...args],
      input,
    )

  const startNode = async (node: number): Promise<void> => {
    const log4j = `-Dlog4j2.configurationFile=${join(folder, 'log4j2.properties')}`
    const main = ['-cp', classPath, 'kafka.Kafka', join(folder, `node-${node}.properties`)]
    const child = spawn(java, [...BROKER_JVM, log4j, ...main], { stdio: ['ignore', 'pipe', 'pipe'] })
    running.set(node, child)
    await isStarted(child, node, join(folder, `node-${node}.log`))
  }

  const signalNode: Cluster['signalNode'] = async (node, signal) => {
    const child = running.get(node)
    if (child === undefined) throw new Error(`node ${node} is not running`)
    child.kill(signal)
    if (signal === 'SIGTERM' || signal === 'SIGKILL') await hasEnded(child)
  }

  const stop = async (): Promise<void> => {
    await Promise.all([...running.values()].map((child) => (child.kill('SIGTERM'), hasEnded(child))))
    process.off('exit', killAll)
    if (options.folder === undefined) rmSync(folder, { recursive: true, force: true })
  }

  mkdirSync(folder, { recursive: true })
  writeFileSync(join(folder, 'log4j2.properties'), LOG4J)
  try {
    await Promise.all(nodes.map((node) => prepare(node)))
    await Promise.all(nodes.map((node) => startNode(node)))
  } catch (error) {
    killAll()
    throw error
  }
  const pids = () => [...running.values()].flatMap(({ pid }) => pid ?? [])
  return { brokers, folder, pids, tool, startNode, signalNode, stop }

  async function prepare(node: number): Promise<void> {
    const file = join(folder, `node-${node}.properties`)
    writeFileSync(file, nodeProperties(options, node, join(folder, `data-${node}`)))
    const scram = ['SCRAM-SHA-256', 'SCRAM-SHA-512'].flatMap((mechanism) => [
      '--add-scram',
      `${mechanism}=[name=${user.username},password=${user.password}]`,
    ])
    await tool('kafka-storage', ['format', '-t', CLUSTER_ID, '-c', file, '--ignore-formatted', ...scram])
  }
}

/** Resolves when the node serves. What it writes goes to its log file. */
function isStarted(child: ChildProcess, node: number, logFile: string): Promise<void> {
  const log = createWriteStream(logFile, { flags: 'a' })
  return new Promise((resolve, reject) => {
    const giveUp = (why: string) => reject(new Error(`Kafka node ${node} ${why}; see ${logFile}`))
    const timer = setTimeout(() => giveUp('did not start in time'), START_TIMEOUT_MS)
    child.stderr?.pipe(log, { end: false })
    child.stdout?.on('data', (chunk: Buffer) => {
      log.write(chunk)
      if (!chunk.includes('Kafka Server started')) return
      clearTimeout(timer)
      resolve()
    })
    child.on('error', (error) => giveUp(error.message))
    child.on('exit', (code) => {
      clearTimeout(timer)
      giveUp(`ended with ${code}`)
    })
  })
}

async function hasEnded(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const timer = setTimeout(() => child.kill('SIGKILL'), STOP_TIMEOUT_MS)
  await new Promise((resolve) => child.once('exit', resolve))
  clearTimeout(timer)
}

function runTool(java: string, classPath: string, args: readonly string[], input?: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const options = { timeout: TOOL_TIMEOUT_MS, maxBuffer: 64_000_000 }
    const child = execFile(java, [...TOOL_JVM, '-cp', classPath, ...args], options, (error, stdout, stderr) => {
      if (error) reject(new Error(`${args.join(' ')}: ${error.message}\n${stdout}${stderr}`))
      else resolve(stdout)
    })
    child.stdin?.on('error', () => undefined)
    child.stdin?.end(input ?? '')
  })
}
