// Counts what Cloudflare bills: calls of Durable Objects, rows written and read, alarms. For worker.ts, which
// wraps each class by it when the variable COUNT is set. The runtime's own counts are taken, none is estimated.

/** Binding → class. */
export const COUNTED: Readonly<Record<string, string>> = {
  USER_SHARD: 'UserShard',
  TOPIC_FOLLOWER: 'TopicFollower',
  DIRECTORY: 'Directory',
  EMBEDDED_LOG: 'EmbeddedLog',
  EMBEDDED_BROKER: 'EmbeddedBroker',
  KAFKA_PRODUCER: 'KafkaProducer',
  NATS_CLIENT: 'NatsClient',
  PRESENCE_TOPIC: 'PresenceTopic',
  SESSION_REGISTRY: 'SessionRegistry',
  PENDING_RESPONSES: 'PendingResponses',
  METRICS_STORE: 'MetricsStore',
}

/** By class of Durable Object. */
export interface Counts {
  /** Calls by RPC and fetch, and alarms that ran. */
  requests: number
  rowsWritten: number
  rowsRead: number
}

const counts = new Map<string, Counts>()
/** Cursors whose rows may still be read. */
const cursors: { readonly name: string; readonly cursor: SqlStorageCursor<never> }[] = []
const names = new WeakMap<object, string>()
let isPatched = false

/** Class → how often an object of it was started: first, after hibernation, or after an eviction. */
const starts = new Map<string, number>()

export function countStart(name: string): void {
  starts.set(name, startsOf(name) + 1)
}

export function startsOf(name: string): number {
  return starts.get(name) ?? 0
}

export function resetCounts(): void {
  counts.clear()
  cursors.length = 0
}

export function takeCounts(): Record<string, Counts> {
  for (const { name, cursor } of cursors.splice(0)) {
    add(name, 'rowsRead', cursor.rowsRead)
    add(name, 'rowsWritten', cursor.rowsWritten)
  }
  const taken = Object.fromEntries(counts)
  counts.clear()
  return taken
}

export function countRequest(name: string): void {
  add(name, 'requests', 1)
}

/** From now on this object's SQL and alarms are counted under `name`. */
export function countStorage(name: string, { storage }: DurableObjectState): void {
  names.set(storage.sql, name)
  names.set(storage, name)
  if (isPatched) return
  isPatched = true
  patchExec(Object.getPrototypeOf(storage.sql) as SqlStorage)
  patchAlarm(Object.getPrototypeOf(storage) as DurableObjectStorage)
}

/** Bindings whose calls are counted. `classes`: binding → name of the class. */
export function countingEnv<E extends object>(env: E, classes: Readonly<Record<string, string>>): E {
  const wrapped = Object.entries(classes).flatMap(([binding, name]) => {
    const namespace = (env as Record<string, unknown>)[binding] as DurableObjectNamespace | undefined
    if (namespace === undefined) return []
    return [[binding, countingNamespace(namespace, name)]]
  })
  return { ...env, ...(Object.fromEntries(wrapped) as object) }
}

function countingNamespace(namespace: DurableObjectNamespace, name: string): DurableObjectNamespace {
  return new Proxy(namespace, {
    get: (target, property) => {
      if (property === 'getByName') return (object: string) => countingStub(target.getByName(object), name)
      const value = Reflect.get(target, property) as unknown
      return typeof value === 'function' ? (value.bind(target) as unknown) : value
    },
  })
}

function countingStub(stub: DurableObjectStub, name: string): DurableObjectStub {
  return new Proxy(stub, {
    get: (target, property) => {
      const method = Reflect.get(target, property) as (...args: unknown[]) => unknown
      if (typeof property !== 'string') return method
      return (...args: unknown[]) => {
        countRequest(name)
        return Reflect.apply(method, target, args)
      }
    },
  })
}

function patchExec(prototype: SqlStorage): void {
  // oxlint-disable-next-line typescript/unbound-method -- it is called with its object
  const { exec } = prototype
  prototype.exec = function counted(this: SqlStorage, ...args: Parameters<SqlStorage['exec']>) {
    const cursor = exec.apply(this, args)
    cursors.push({ name: names.get(this) ?? 'other', cursor: cursor as SqlStorageCursor<never> })
    return cursor
  } as SqlStorage['exec']
}

/** Setting an alarm is billed as a row. */
function patchAlarm(prototype: DurableObjectStorage): void {
  // oxlint-disable-next-line typescript/unbound-method -- it is called with its object
  const { setAlarm } = prototype
  prototype.setAlarm = function counted(this: DurableObjectStorage, ...args: Parameters<typeof setAlarm>) {
    add(names.get(this) ?? 'other', 'rowsWritten', 1)
    return setAlarm.apply(this, args)
  }
}

function add(name: string, what: keyof Counts, count: number): void {
  const known = counts.get(name) ?? { requests: 0, rowsWritten: 0, rowsRead: 0 }
  counts.set(name, known)
  known[what] += count
}
