// What a client of the soak gets, and what becomes of it: clients.ts reads, ledger.ts and table-account.ts count.

/** A CloudEvent as clients get it; `data` as far as Rigel's own events use it. */
export interface SoakEvent {
  readonly specversion: string
  readonly id: string
  readonly type: string
  readonly data?: {
    readonly recovered?: boolean
    readonly last_event_id?: string
    /** The row's key. Only events about a table have one. */
    readonly key?: string
  }
}

/** What becomes of the events of one client. */
export interface Receiver {
  readonly name: string
  readonly user: string
  readonly types: readonly string[]
  /** It wants the tables of the types. */
  readonly hasState: boolean
  take(event: SoakEvent): void
}
