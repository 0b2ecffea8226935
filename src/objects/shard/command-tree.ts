// What a shard answers to a question that goes to many: for itself, and for the others of its share, whom it asks. One that
// fails is an answer too.
import type { Oversight } from './admin-commands.ts'
import type { AnyAnswer, Answers, Question } from '../../rpc/shard-commands.ts'

export interface AnsweringOptions {
  readonly shard: number
  readonly oversight: Pick<Oversight, 'revoke' | 'close' | 'count'>
  readonly wakeBy: (atMs: number) => Promise<void>
  readonly askOthers: (question: Question, shards: readonly number[], fanOut: number) => Promise<readonly AnyAnswer[]>
}

export class Answering {
  readonly #options: AnsweringOptions

  constructor(options: AnsweringOptions) {
    this.#options = options
  }

  async answer(question: Question, shards: readonly number[], fanOut: number): Promise<readonly AnyAnswer[]> {
    const { askOthers, shard } = this.#options
    const others = shards.filter((other) => other !== shard)
    const asked = askOthers(question, others, fanOut)
    return [await this.#answerOwn(question), ...(await asked)]
  }

  async #answerOwn(question: Question): Promise<AnyAnswer> {
    const { shard } = this.#options
    try {
      return { shard, ok: true, value: await this.#do(question) }
    } catch (error) {
      return { shard, ok: false, error: String(error) }
    }
  }

  async #do(question: Question): Promise<Answers[Question['kind']]> {
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
