// What all shards are asked at once, by relays if they are many: questions whose answers are small, for a relay holds those
// of its share. Spoken between the internal API, the session registries and the shards; asked by door.ts.
import type { Answer } from '../core/survey.ts'
import type { CensusQuery } from './census.ts'

export type Question =
  | { readonly kind: 'revoke_session'; readonly session: string; readonly expiresMs: number }
  | { readonly kind: 'close_connections'; readonly query: CensusQuery }
  | { readonly kind: 'count_connections' }

export interface Answers {
  /** How many connections were closed. */
  readonly revoke_session: number
  readonly close_connections: number
  /** Transport → how many. */
  readonly count_connections: Readonly<Record<string, number>>
}

export type AnyAnswer = Answer<Answers[Question['kind']]>
