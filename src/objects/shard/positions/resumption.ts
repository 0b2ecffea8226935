// Decides where a client continues from its position: in this shard's log, in the log of the shard that it came from,
// or not at all. Used by admission, and by Phoenix channels, each of which has a position.
import type { RigelError } from '../../../core/errors.ts'
import { fail, ok, type Result } from '../../../core/result.ts'
import { mayWithholdHistory, type FilterRights } from '../../../core/rules/filter-rights.ts'
import { logIncident } from '../../../telemetry/incident-log.ts'
import { formatPosition, parsePosition, shardOfPosition, type LogPlace } from '../../../core/identity/position.ts'
import type { Subscription } from '../../../core/subscriptions/subscription.ts'
import type { InterestRegistry } from '../interest-registry.ts'
import type { KnownShardMap } from '../known-shard-map.ts'
import type { CommittedLog } from '../log/committed-log.ts'
import type { PositionProofs } from './position-proofs.ts'
import type { OldShardReader } from '../old-shard/old-shard-reader.ts'

interface OwnPlace {
  readonly kind: 'own'
  readonly seq: number
  /** See Position. */
  readonly openSeq: number
  readonly openBefore: LogPlace | null
  /** All events of its subscriptions since `openSeq` will come. */
  readonly isCovered: boolean
  /** What this log has up to here is history to the client. Undefined: all; its position may be made up. */
  readonly sinceSeq: number | undefined
  /** The same of the log of `openBefore`. */
  readonly oldSinceSeq: number | undefined
}

interface OldPlace {
  readonly kind: 'old'
  /** In the old shard's log. */
  readonly from: LogPlace
  readonly openSeq: number
  readonly isCovered: boolean
  /** What the old log has up to here is history to the client. Undefined: all; its position may be made up. */
  readonly oldSinceSeq: number | undefined
}

export type Resumption = OwnPlace | OldPlace | { readonly kind: 'gap' }

interface ResumptionsParts {
  readonly log: CommittedLog
  readonly interests: InterestRegistry
  readonly shardMap: KnownShardMap
  readonly oldShards: OldShardReader
  readonly proofs: Pick<PositionProofs, 'sinceOf'>
}

/** Who comes, and what for. */
export interface Resuming {
  readonly user: string | null
  /** It gets what is addressed to its user. */
  readonly isAddressed: boolean
  readonly subscriptions: readonly Subscription[]
  /** To more than a token implies, so that events after `openSeq` are asked for. */
  readonly hasSubscribed: boolean
  readonly rights: FilterRights | undefined
}

export class Resumptions {
  readonly #parts: ResumptionsParts

  constructor(parts: ResumptionsParts) {
    this.#parts = parts
  }

  /**
   * `text`: the client's position; null: it has none. Call it before interests are registered: a type that is registered now
   * has no events from before. Fails if an old shard does not answer: then the client has to come back.
   */
  async find(text: string | null, resuming: Resuming): Promise<Result<Resumption, RigelError>> {
    if (text === null) return ok({ kind: 'gap' })
    try {
      return ok(await this.#find(text, resuming))
    } catch (error) {
      logIncident('the old shard of a client did not answer', {}, { error: String(error) })
      return fail({ kind: 'unavailable', message: 'Temporarily unavailable, come back.' })
    }
  }

  async #find(text: string, resuming: Resuming): Promise<Resumption> {
    const { hasSubscribed, subscriptions, user } = resuming
    const { oldShards, interests, log, proofs, shardMap } = this.#parts
    const position = parsePosition(text)
    if (position === undefined) return { kind: 'gap' }
    const seq = log.resumable(text)
    if (seq === undefined) return this.#findOld(text, position, resuming)
    if (shardMap.predatesReturn(user, seq)) return { kind: 'gap' }
    const openSeq = Math.min(seq, position.openSeq)
    const sinceSeq = proofs.sinceOf(text)
    const mayRead = mayReadSince(sinceSeq, resuming)
    const { openBefore } = position
    const mayReadOld = openBefore !== null && (await shardMap.canResumeFrom(shardOfPosition(openBefore), user))
    const own = { kind: 'own', seq, openSeq, sinceSeq } as const
    if (openBefore === null || !mayReadOld) {
      const isCovered = mayRead && interests.coversSince(subscriptions, openSeq)
      return { ...own, openBefore: null, oldSinceSeq: undefined, isCovered }
    }
    const open = formatPosition(openBefore.epoch, openBefore.seq)
    const isFound = !hasSubscribed || (await oldShards.find(openBefore, open, subscriptions))?.isCovered === true
    const oldSinceSeq = sinceSeq === undefined ? undefined : openBefore.seq
    return { ...own, openBefore, oldSinceSeq, isCovered: mayRead && isFound }
  }

  /** Its proof is of this shard, if the client was sent the position here, or of the old one. */
  async #findOld(text: string, { epoch }: LogPlace, resuming: Resuming): Promise<Resumption> {
    const { oldShards, proofs, shardMap } = this.#parts
    const { hasSubscribed, subscriptions, user } = resuming
    if (!(await shardMap.canResumeFrom(shardOfPosition({ epoch }), user))) return { kind: 'gap' }
    const found = await oldShards.find({ epoch, seq: 0 }, text, subscriptions)
    if (found === null) return { kind: 'gap' }
    const { openSeq, seq } = found
    const oldSinceSeq = proofs.sinceOf(text) ?? found.sinceSeq
    const isCovered = found.isCovered && (found.isKept || !hasSubscribed) && mayReadSince(oldSinceSeq, resuming)
    return { kind: 'old', from: { epoch, seq }, openSeq, oldSinceSeq, isCovered }
  }
}

/** A client that was not there may miss what only those may read who may read history. */
function mayReadSince(sinceSeq: number | undefined, { isAddressed, rights, subscriptions }: Resuming): boolean {
  return sinceSeq !== undefined || !mayWithholdHistory(rights, subscriptions, isAddressed)
}
