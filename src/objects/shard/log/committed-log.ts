// The durable part of a shard's log. What is appended is delivered, and becomes readable, once storage has it: nothing
// is sent that was not stored first. Output gates hold back WebSocket frames by themselves, but not what is written to
// a stream that is open already, so the shard waits for storage itself, for every transport alike.
import type { StoredEvent } from '../../../core/events/stored-event.ts'
import type { AppendBatch } from '../../../core/delivery/batch-codec.ts'
import type { History } from './replay.ts'
import type { SystemEvent } from '../system-events.ts'
import type { LogSegment, LogStore } from './log-store.ts'

export interface CommittedLogDeps {
  /** Resolves when everything written before the call is durable. */
  sync(): Promise<void>
  deliver(segments: readonly LogSegment[]): void
  /** Milliseconds since the epoch. */
  now(): number
}

export class CommittedLog implements History {
  readonly #log: LogStore
  readonly #deps: CommittedLogDeps
  /** Everything up to here is durable and delivered: the newest position that anybody is told. */
  #committedSeq: number
  /** Appended and not settled yet, in order. */
  #pending: LogSegment[] = []

  constructor(log: LogStore, deps: CommittedLogDeps) {
    this.#log = log
    this.#deps = deps
    this.#committedSeq = log.head
  }

  get committedSeq(): number {
    return this.#committedSeq
  }

  get floorSeq(): number {
    return this.#log.floor
  }

  position(seq: number): string {
    return this.#log.position(seq)
  }

  read(seq: number, maxBytes: number): readonly StoredEvent[] {
    return this.#log.read(seq, maxBytes)
  }

  /** Returns the sequence number to read on from, or undefined if there would be a gap. Nothing past its retention is replayed. */
  resumable(lastEventId: string): number | undefined {
    this.#log.trim(this.#deps.now())
    const seq = this.#log.resumable(lastEventId)
    return seq === undefined ? undefined : Math.min(seq, this.#committedSeq)
  }

  append(batches: readonly AppendBatch[], nowMs: number): Promise<void> {
    this.#pending.push(...this.#log.append(batches, nowMs))
    return this.settle()
  }

  /** To be settled by the caller: several can be told at once. */
  appendOwn(connectionId: string, event: SystemEvent, nowMs: number): void {
    this.#pending.push(...this.#log.appendOwn(connectionId, event.type, event.json, nowMs))
  }

  /** Waits until what has been appended is durable, then delivers it: in order, whoever of several callers comes first. */
  async settle(): Promise<void> {
    const upTo = this.#log.head
    if (upTo <= this.#committedSeq) return
    await this.#deps.sync()
    if (upTo <= this.#committedSeq) return
    const later = this.#pending.findIndex(({ lastSeq }) => lastSeq > upTo)
    const segments = this.#pending.splice(0, later === -1 ? this.#pending.length : later)
    this.#committedSeq = upTo
    if (segments.length > 0) this.#deps.deliver(segments)
  }
}
