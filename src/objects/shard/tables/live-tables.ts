// The tables of a shard: begins one when a client wants it, has it filled (fill-tables.ts), and gives it to the connections that
// wait for it. Drops it when no client has wanted it for a while. Rows are in the TableStore.
import type { RigelError } from '../../../core/errors.ts'
import type { Result } from '../../../core/result.ts'
import type { Subscription } from '../../../core/subscriptions/subscription.ts'
import { checkTables, stateTypesOf, type TableRules } from '../../../core/tables/table-rule.ts'
import type { Connection } from '../connections/connection.ts'
import { tablesWithout, viewMarkOf, viewOf, type TableView } from '../connections/table-view.ts'
import type { ConnectionLifecycle } from '../connections/connection-lifecycle.ts'
import type { ConnectionRegistry } from '../connections/connection-registry.ts'
import type { CommittedLog } from '../log/committed-log.ts'
import type { FillBatch } from '../../../rpc/shard.ts'
import { envelope, tableComplete, tableFailed, tableReset, type SystemEvent } from '../system-events.ts'
import type { ShardContext } from '../shard-context.ts'
import type { TableFills } from './fill-tables.ts'
import { TableReader, type CompleteTable } from './table-reader.ts'
import type { TableStore } from './table-store.ts'

/** A table is kept this long after its last client: clients that come back get only what has changed. */
const LINGER_MS = 300_000

export interface LiveTablesDeps {
  readonly rules: TableRules | null
  readonly store: TableStore
  readonly fills: TableFills
  readonly connections: ConnectionRegistry
  readonly lifecycle: Pick<ConnectionLifecycle, 'update'>
  readonly log: Pick<CommittedLog, 'committedSeq' | 'settle'>
  /** With another version of the shard map this shard has other users: its tables have to be filled again. */
  readonly mapVersion: () => number
}

export class LiveTables {
  readonly #context: ShardContext
  readonly #deps: LiveTablesDeps

  constructor(context: ShardContext, deps: LiveTablesDeps) {
    this.#context = context
    this.#deps = deps
  }

  /** Fails for a subscription with `state` that there cannot be. */
  check(subscriptions: readonly Subscription[], asOf?: string): Result<null, RigelError> {
    return checkTables(this.#deps.rules, subscriptions, asOf)
  }

  /** Begins the tables that there are not yet. Call when the interest in their types is registered. */
  want(subscriptions: readonly Subscription[]): void {
    for (const type of stateTypesOf(subscriptions)) this.#begin(type)
  }

  #begin(type: string): void {
    const { fills, mapVersion, store } = this.#deps
    if (store.mapVersionOf(type) !== mapVersion()) {
      store.create(type, mapVersion())
      this.#restart(type)
    }
    if (store.unwantedMsOf(type) !== null) store.setUnwanted(type, null)
    fills.begin(type)
  }

  /**
   * Returns whether a client whose position has this sequence number and mark has its tables up to there, and can get what has
   * changed since. `view`: what it subscribes to now, and what its tokens permit.
   */
  continuesFrom(view: TableView, seq: number, mark: string | undefined): boolean {
    if (mark === undefined || mark !== viewMarkOf(view)) return false
    const { mapVersion, store } = this.#deps
    const types = stateTypesOf(view.subscriptions)
    return store.coversSince(types, seq) && types.every((type) => store.mapVersionOf(type) === mapVersion())
  }

  /**
   * For a connection from before a restart: its tables are forgotten if `tablesBasis` of the configuration has changed. If its type
   * has no table any more, its client is told so: no removals come.
   */
  restored(connection: Connection): void {
    const { lifecycle, rules, store } = this.#deps
    const ended = Object.keys(connection.state.tables ?? {}).filter((type) => rules?.has(type) !== true)
    if (ended.length > 0) lifecycle.update(connection, { tables: tablesWithout(connection.state, ended) })
    for (const type of ended) {
      connection.sendOfTable(type, tableReset(envelope(this.#context), type))
      connection.sendOfTable(type, tableFailed(envelope(this.#context), type, 'TABLES does not name it any more'))
    }
    // Not by subscriptions of the state: those of Phoenix channels are not there.
    for (const type of Object.keys(connection.state.tables ?? {}))
      if (store.statusOf(type) === undefined) this.#begin(type)
    this.serveSoon(connection)
  }

  /** Gives the connection the tables that it waits for, as soon as they are complete. */
  serveSoon(connection: Connection): void {
    if (!isWaiting(connection)) return
    const serve = () => this.#serve(connection)
    this.#context.background(this.#deps.log.settle().then(serve, serve))
  }

  /** A table is complete, or there will be none. */
  changed(type: string): void {
    for (const connection of this.#deps.connections.withTables())
      if (connection.filter.tables?.has(type) === true) this.serveSoon(connection)
  }

  /** Why there is no table of the type; undefined: there is one, or will be. */
  #failure(type: string): SystemEvent | undefined {
    const { rules, store } = this.#deps
    if (store.statusOf(type) !== 'too_large') return undefined
    const { maxBytes = 0, maxRows = 0 } = rules?.get(type) ?? {}
    const reason = `too large: at most ${maxRows} rows and ${maxBytes} bytes are kept in a shard (TABLES)`
    return tableFailed(envelope(this.#context), type, reason)
  }

  /** See TableFills. */
  add(batch: FillBatch): void {
    this.#deps.fills.add(batch)
  }

  /** Returns whether there is a table of the type, which needs its events. */
  has(type: string): boolean {
    return this.#deps.store.statusOf(type) !== undefined
  }

  /** Returns whether there are tables to look at again. */
  sweep(nowMs: number): boolean {
    const { fills, store } = this.#deps
    store.dropOutgrown()
    for (const type of store.types) {
      const unwantedMs = this.#unwantedMs(type, nowMs)
      if (unwantedMs !== null && nowMs - unwantedMs >= LINGER_MS) store.drop(type)
      else fills.begin(type)
    }
    return store.types.length > 0
  }

  /** Returns since when no connection has wanted the table; null: one does. */
  #unwantedMs(type: string, nowMs: number): number | null {
    const { connections, store } = this.#deps
    const known = store.unwantedMsOf(type)
    const unwantedMs = connections.wantsTable(type) ? null : (known ?? nowMs)
    if (unwantedMs !== known) store.setUnwanted(type, unwantedMs)
    return unwantedMs
  }

  #readerOf(connection: Connection, types: readonly string[]): TableReader {
    const views = types.map((type) => this.#readingOf(connection, type))
    return new TableReader(types, views, {
      store: this.#deps.store,
      rules: this.#deps.rules,
      envelope: () => envelope(this.#context),
      finish: (reader, untilSeq) => this.#finish(connection, reader, untilSeq),
    })
  }

  /** Changes with what the client may see, and with a table that is filled anew, whose rows may be missing yet. */
  #readingOf({ state }: Connection, type: string): string {
    return JSON.stringify([viewOf(state, type), this.#deps.store.fillIdOf(type)])
  }

  /** The connection has been sent these tables. Returns what tells its client so. */
  #finish(connection: Connection, reader: TableReader, untilSeq: number): readonly CompleteTable[] {
    const known = connection.state.tables ?? {}
    const isSame = (type: string, index: number) => this.#readingOf(connection, type) === reader.views[index]
    const sent = reader.types.filter((type, index) => known[type] === null && isSame(type, index))
    const tables = { ...known, ...Object.fromEntries(sent.map((type) => [type, untilSeq])) }
    this.#deps.lifecycle.update(connection, { tables })
    return sent.map((type) => {
      const event = tableComplete(envelope(this.#context), type, reader.rows.get(type) ?? 0)
      return { type, event }
    })
  }

  #serve(connection: Connection): void {
    const { connections, lifecycle } = this.#deps
    if (connections.get(connection.state.id) !== connection) return
    const waiting = waitedFor(connection)
    const failed = waiting.filter((type) => {
      const failure = this.#failure(type)
      if (failure !== undefined) connection.sendOfTable(type, failure)
      return failure !== undefined
    })
    if (failed.length > 0) lifecycle.update(connection, { tables: tablesWithout(connection.state, failed) })
    const ready = waiting.filter((type) => this.#deps.store.statusOf(type) === 'complete')
    if (ready.length > 0) connection.readTables(this.#readerOf(connection, ready))
  }

  /** Clients that have the table get it again. */
  #restart(type: string): void {
    for (const connection of this.#deps.connections.withTables()) {
      const { tables } = connection.state
      if (tables?.[type] !== undefined) this.#deps.lifecycle.update(connection, { tables: { ...tables, [type]: null } })
    }
  }

  /** Its rows are right, but clients that saw some of them were told of no removal. */
  fillAnew(type: string): void {
    const { connections, store } = this.#deps
    store.drop(type)
    if (connections.wantsTable(type)) this.#begin(type)
  }

  /** A table has become too large: its clients are told, and get events only. */
  tooLarge(type: string): void {
    this.#restart(type)
    this.changed(type)
  }
}

function waitedFor({ state }: Connection): readonly string[] {
  return Object.entries(state.tables ?? {}).flatMap(([type, seq]) => (seq === null ? [type] : []))
}

function isWaiting({ state }: Connection): boolean {
  return state.tables !== undefined && Object.values(state.tables).includes(null)
}
