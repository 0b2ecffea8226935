// What clients by the thousand do that another workerd holds: what full-shard.ts tells worker/holder.ts.

/** The secret by which the measured Rigel verifies tokens. */
export const SECRET = 'a secret of the bench, of 32 bytes or more'

export interface Plan {
  /** Debug port of the other workerd. */
  readonly address: string
  readonly count: number
  /** `{n}` stands for the number of the client. */
  readonly path: string
  /** The first number. */
  readonly from: number
  /** An upgrade to a WebSocket, which sends these messages. Absent: a request. */
  readonly messages?: readonly string[]
  /** What the client reads: everything, or only the beginning of a stream. `answer`: the whole answer, and no more comes. */
  readonly reads: 'all' | 'beginning' | 'answer'
  /** Body of a request; absent: it has none. */
  readonly body?: string
  readonly method?: string
  readonly headers?: Readonly<Record<string, string>>
  /** Each client comes with a token of a user and a session of its own, which have numbers. */
  readonly users?: boolean
  /** The first of these numbers. */
  readonly firstUser?: number
}
