// The positions that clients get, and what they say besides a sequence number: from where a client may still subscribe, that it is
// joining, which tables it has, and, where rules restrict who may read history, that a shard has given it the position.
// Used by the ConnectionLifecycle and by transports.
import {
  asJoining,
  formatPosition,
  withMark,
  withOpenBefore,
  withOpenSeq,
  type LogPlace,
} from '../../../core/identity/position.ts'
import { boundsHistory } from '../../../core/rules/filter-rights.ts'
import type { CommittedLog } from '../log/committed-log.ts'
import type { OldShardReplay } from '../old-shard/old-shard-replay.ts'
import type { ShardContext } from '../shard-context.ts'
import { historySeqOf, type ConnectionState } from '../connections/connection-state.ts'
import type { PositionProofs } from './position-proofs.ts'
import { markOf } from '../connections/table-view.ts'

/** The part of a state that says whether its client may still ask for events that it missed. */
type Resumed = Pick<ConnectionState, 'inferred' | 'resume' | 'subscriptions'>

/**
 * Returns the sequence number after which a client may still get missed events, or null. It is part of the client's
 * positions until the client has subscribed, so that nothing is lost if it drops before that.
 */
export function openSeqOf({ inferred, resume, subscriptions }: Resumed, now: () => number): number | null {
  if (resume === null || subscriptions.length > inferred.length) return null
  return now() <= resume.untilMs ? resume.seq : null
}

/** The client's positions say so: see Position.isJoining. */
function isJoining({ joins }: ConnectionState): boolean {
  return joins !== undefined && joins.length > 0
}

interface ClientPositionsDeps {
  readonly context: Pick<ShardContext, 'config' | 'now'>
  readonly log: Pick<CommittedLog, 'position'>
  readonly proofs: Pick<PositionProofs, 'sign'>
}

export class ClientPositions {
  readonly #deps: ClientPositionsDeps

  constructor(deps: ClientPositionsDeps) {
    this.#deps = deps
  }

  /** Returns the position of a sequence number, as the client of the connection gets it. */
  of(state: ConnectionState, seq: number): string {
    if (state.pinned !== null) return state.pinned
    const position = this.ofChannel(state, seq, historySeqOf(state))
    const joining = isJoining(state) ? asJoining(position) : position
    const mark = markOf(state)
    return mark === '' ? joining : withMark(joining, mark)
  }

  /** The same without marks, where what is stored up to `historySeq` is history to the client. */
  ofChannel(state: ConnectionState, seq: number, historySeq: number): string {
    const openSeq = openSeqOf(state, this.#deps.context.now)
    const position = this.#deps.log.position(seq)
    const before = state.resume?.before ?? null
    if (openSeq !== null && before !== null) {
      const both = withOpenBefore(position, before)
      return seq < historySeq ? both : this.#ofOld(state, both, before.seq)
    }
    const open = openSeq === null ? position : withOpenSeq(position, openSeq)
    if (!this.#areBounded(state)) return open
    return this.#deps.proofs.sign(open, Math.min(seq, openSeq ?? seq) < historySeq ? historySeq : undefined)
  }

  /** Returns the position of a place in the log of the client's old shard. `readSeq`: it has been read up to there only. */
  ofOldShard(state: ConnectionState, { epoch, seq }: LogPlace, readSeq?: number): string {
    const before = openSeqOf(state, this.#deps.context.now) === null ? null : (state.resume?.before ?? null)
    const openSeq = readSeq ?? (before?.epoch === epoch ? before.seq : undefined)
    const position = formatPosition(epoch, seq)
    return this.#ofOld(state, openSeq === undefined ? position : withOpenSeq(position, openSeq), openSeq ?? seq)
  }

  /** Returns the position of a client that has everything up to `seq`, while it is sent what it missed at its old shard. */
  ofLateReplay(state: ConnectionState, seq: number, { from }: OldShardReplay): string {
    return this.#ofOld(state, withOpenBefore(this.#deps.log.position(seq), from), from.seq)
  }

  /** What the positions of connections differ in: those with the same can be sent the same bytes of events that are committed now. */
  variantOf(state: ConnectionState): string {
    const joining = isJoining(state) ? '*' : ''
    const openSeq = openSeqOf(state, this.#deps.context.now)
    const before = state.resume?.before ?? null
    const open = openSeq === null ? '' : before === null ? withOpenSeq('', openSeq) : withOpenBefore('', before)
    const since = before === null ? historySeqOf(state) : this.#isProven(state, before.seq)
    const bounded = this.#areBounded(state) ? `.${openSeq === null ? '' : since}` : ''
    return `${joining}${open}${bounded}!${markOf(state)}`
  }

  /** A position that leads to `oldSeq` of the old shard's log. Of one that the client made up, none follows that is proven. */
  #ofOld(state: ConnectionState, position: string, oldSeq: number): string {
    return this.#isProven(state, oldSeq) && this.#areBounded(state) ? this.#deps.proofs.sign(position) : position
  }

  #isProven({ oldHistorySeq = Infinity }: ConnectionState, oldSeq: number): boolean {
    return oldSeq >= oldHistorySeq
  }

  #areBounded({ grant, lateGrant }: ConnectionState): boolean {
    return boundsHistory(this.#deps.context.config.typeRules, [grant, lateGrant])
  }
}
