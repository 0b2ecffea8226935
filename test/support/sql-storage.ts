// A Durable Object's storage for tests without a runtime: real SQL by node:sqlite, with the parts of DurableObjectStorage
// that our stores use. Restart an object by making its stores anew over the same storage.
import { DatabaseSync, type SQLInputValue } from 'node:sqlite'

export interface TestStorage extends DurableObjectStorage {
  /** Rows inserted, changed or deleted so far. A dropped table counts nothing, as in the runtime. */
  rowsWritten(): number
  /** SQL statements so far. */
  statements(): number
  /** From now on `sync()` waits until this is called. */
  holdSync(): () => void
}

export function createTestStorage(): TestStorage {
  const database = new DatabaseSync(':memory:')
  /** By their SQL. */
  const prepared = new Map<string, ReturnType<typeof database.prepare>>()
  let statements = 0
  let depth = 0
  let held: Promise<void> = Promise.resolve()
  const exec = (query: string, ...bindings: readonly SqlStorageValue[]) => {
    statements += 1
    if (bindings.length === 0 && /;\s*\S/.test(query)) {
      database.exec(query)
      return cursorOf([])
    }
    const statement = prepared.get(query) ?? database.prepare(query)
    prepared.set(query, statement)
    return cursorOf(statement.all(...bindings.map(toSqlite)).map(fromSqlite))
  }
  const transactionSync = <T>(work: () => T): T => {
    const name = `nested_${depth}`
    depth += 1
    database.exec(`SAVEPOINT ${name}`)
    try {
      const result = work()
      database.exec(`RELEASE ${name}`)
      return result
    } catch (error) {
      database.exec(`ROLLBACK TO ${name}; RELEASE ${name}`)
      throw error
    } finally {
      depth -= 1
    }
  }
  const storage = {
    sql: { exec } as unknown as SqlStorage,
    transactionSync,
    sync: () => held,
    rowsWritten: () => Number(database.prepare('SELECT total_changes() AS n').get()?.['n']),
    statements: () => statements,
    holdSync: () => {
      const { promise, resolve } = Promise.withResolvers<void>()
      held = promise
      return resolve
    },
  }
  return storage as unknown as TestStorage
}

function cursorOf(rows: readonly Record<string, SqlStorageValue>[]) {
  return {
    toArray: () => rows,
    one: () => {
      const [row] = rows
      if (row === undefined || rows.length > 1) throw new Error(`expected one row, got ${rows.length}`)
      return row
    },
    // A loop that ends early leaves a cursor open in the runtime, which holds the write-ahead log: read with toArray().
    [Symbol.iterator]: () => {
      throw new Error('read the cursor to its end, with toArray() or one()')
    },
  }
}

function toSqlite(value: SqlStorageValue): SQLInputValue {
  return value instanceof ArrayBuffer ? new Uint8Array(value) : value
}

/** The runtime returns bytes as an ArrayBuffer. */
function fromSqlite(row: Record<string, unknown>): Record<string, SqlStorageValue> {
  const entries = Object.entries(row).map(([name, value]) => [
    name,
    value instanceof Uint8Array ? value.slice().buffer : value,
  ])
  return Object.fromEntries(entries) as Record<string, SqlStorageValue>
}
