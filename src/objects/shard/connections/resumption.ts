// Decides where a client continues from its position: in this shard's log, in the log of the shard that it came from,
// or not at all. Used by admission, and by Phoenix channels, each of which has a position.
import type { RigelError } from '../../../core/errors.ts'
import { fail, ok, type Result } from '../../../core/result.ts'
import { logIncident } from '../../../telemetry/incident-log.ts'
import { formatPosition, parsePosition, shardOfPosition, type LogPlace } from '../../../core/identity/position.ts'
import type { Subscription } from '../../../core/subscriptions/subscription.ts'
import type { InterestRegistry } from '../interest-registry.ts'
import type { KnownShardMap } from '../known-shard-map.ts'
import type { CommittedLog } from '../log/committed-log.ts'
import type { OldShardReader } from '../old-shard/old-shard-reader.ts'

interface OwnPlace {
  readonly kind: 'own'
  readonly seq: number
  /** See Position. */
  readonly openSeq: number
  readonly openBefore: LogPlace | null
  /** All events of its subscriptions since `openSeq` will come. */
  readonly isCovered: boolean
}

interface OldPlace {
  readonly kind: 'old'
  /** In the old shard's log. */
  readonly from: LogPlace
  readonly openSeq: number
  readonly isCovered: boolean
}

export type Resumption = OwnPlace | OldPlace | { readonly kind: 'gap' }

interface ResumptionsParts {
  readonly log: CommittedLog
  readonly interests: InterestRegistry
  readonly shardMap: KnownShardMap
  readonly oldShards: OldShardReader
}

export class Resumptions {
  readonly #parts: ResumptionsParts

  constructor(parts: ResumptionsParts) {
    this.#parts = parts
  }

  /**
   * `text`: the client's position; null: it has none. `hasSubscribed`: to more than a token implies, so that events after
   * `openSeq` are asked for. Call it before interests are registered: a type that is registered now has no events from
   * before. Fails if an old shard does not answer: then the client has to come back.
   */
  async find(
    text: string | null,
    user: string | null,
    subscriptions: readonly Subscription[],
    hasSubscribed: boolean,
  ): Promise<Result<Resumption, RigelError>> {
    if (text === null) return ok({ kind: 'gap' })
    try {
      return ok(await this.#find(text, user, subscriptions, hasSubscribed))
    } catch (error) {
      logIncident('the old shard of a client did not answer', {}, { error: String(error) })
      return fail({ kind: 'unavailable', message: 'Temporarily unavailable, come back.' })
    }
  }

  async #find(
    text: string,
    user: string | null,
    subscriptions: readonly Subscription[],
    hasSubscribed: boolean,
  ): Promise<Resumption> {
    const { oldShards, interests, log, shardMap } = this.#parts
    const position = parsePosition(text)
    if (position === undefined) return { kind: 'gap' }
    const seq = log.resumable(text)
    if (seq === undefined) return this.#findOld(text, position, user, subscriptions, hasSubscribed)
    if (shardMap.predatesReturn(user, seq)) return { kind: 'gap' }
    const openSeq = Math.min(seq, position.openSeq)
    const { openBefore } = position
    const mayReadOld = openBefore !== null && (await shardMap.canResumeFrom(shardOfPosition(openBefore), user))
    if (openBefore === null || !mayReadOld)
      return { kind: 'own', seq, openSeq, openBefore: null, isCovered: interests.coversSince(subscriptions, openSeq) }
    const open = formatPosition(openBefore.epoch, openBefore.seq)
    const isCovered = !hasSubscribed || (await oldShards.find(openBefore, open, subscriptions))?.isCovered === true
    return { kind: 'own', seq, openSeq, openBefore, isCovered }
  }

  async #findOld(
    text: string,
    { epoch }: LogPlace,
    user: string | null,
    subscriptions: readonly Subscription[],
    hasSubscribed: boolean,
  ): Promise<Resumption> {
    const { oldShards, shardMap } = this.#parts
    if (!(await shardMap.canResumeFrom(shardOfPosition({ epoch }), user))) return { kind: 'gap' }
    const found = await oldShards.find({ epoch, seq: 0 }, text, subscriptions)
    if (found === null) return { kind: 'gap' }
    const { openSeq, seq } = found
    const isCovered = found.isCovered && (found.isKept || !hasSubscribed)
    return { kind: 'old', from: { epoch, seq }, openSeq, isCovered }
  }
}
