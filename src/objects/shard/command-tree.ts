// What a shard answers to a question that goes to many: for itself, and for the others of its share, whom it asks. One that
// fails is an answer too.
import type { AdminCommands } from './admin-commands.ts'
import type { AnyShardResult, ShardCommandResults, ShardCommand } from '../../rpc/shard-commands.ts'

export interface CommandTreeOptions {
  readonly shard: number
  readonly oversight: Pick<AdminCommands, 'revoke' | 'close' | 'count'>
  readonly wakeBy: (atMs: number) => Promise<void>
  readonly askOthers: (
    question: ShardCommand,
    shards: readonly number[],
    fanOut: number,
  ) => Promise<readonly AnyShardResult[]>
}

export class CommandTree {
  readonly #options: CommandTreeOptions

  constructor(options: CommandTreeOptions) {
    this.#options = options
  }

  async answer(question: ShardCommand, shards: readonly number[], fanOut: number): Promise<readonly AnyShardResult[]> {
    const { askOthers, shard } = this.#options
    const others = shards.filter((other) => other !== shard)
    const asked = askOthers(question, others, fanOut)
    return [await this.#answerOwn(question), ...(await asked)]
  }

  async #answerOwn(question: ShardCommand): Promise<AnyShardResult> {
    const { shard } = this.#options
    try {
      return { shard, ok: true, value: await this.#do(question) }
    } catch (error) {
      return { shard, ok: false, error: String(error) }
    }
  }

  async #do(question: ShardCommand): Promise<ShardCommandResults[ShardCommand['kind']]> {
    const { oversight, wakeBy } = this.#options
    switch (question.kind) {
      case 'revoke_session': {
        const closed = oversight.revoke(question.session, question.expiresMs)
        await wakeBy(question.expiresMs)
        return closed
      }
      case 'close_connections':
        return oversight.close(question.query, { kind: 'closed_by_operator' })
      case 'count_connections':
        return oversight.count()
    }
  }
}
