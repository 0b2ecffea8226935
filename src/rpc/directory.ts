// Contract of the Directory, the object of the control plane: its stub and the form in which API definitions cross it.
import type { ShardMap } from '../core/shard-map/shard-map.ts'
import { parseJson } from '../core/json.ts'
import type { ApiRecord } from '../api-definitions/api-record.ts'
import { objectStub } from './object-stub.ts'

/** The API definitions made at run time, their documents as JSON text. */
export interface ApiSnapshot {
  /** Grows with each change of any of them. */
  readonly version: number
  readonly apis: readonly (Omit<ApiRecord, 'document'> & { readonly document: string })[]
}

/** `count`: the partition after the topic's last one. */
export interface TopicCount {
  readonly topic: string
  readonly count: number
}

/** A dead letter, by its place in the dead-letter topic. */
export interface DeadLetterPlace {
  readonly partition: number
  readonly offset: number
}

/** What an operator did with a dead letter. */
export type DeadLetterHandling = 'replayed' | 'discarded'

/** A dead letter that an operator has handled. */
export interface HandledDeadLetter extends DeadLetterPlace {
  readonly how: DeadLetterHandling
}

/** The progress of a change of the number of shards. */
export interface ShardChangeStatus {
  readonly map: ShardMap
  /**
   * How many followers write by the map, and how many shards have it. Both 0: not known since the Directory started.
   */
  readonly followers: { readonly confirmed: number; readonly of: number }
  readonly shards: { readonly confirmed: number; readonly of: number }
  /** Connections of moved users that are still open at their old shards. */
  readonly connectionsToMove: number
  /**
   * When events to moved users are no longer written to their old shards, in milliseconds since the epoch. Null: not
   * known yet.
   */
  readonly bothWrittenUntilMs: number | null
  /** Why the change is waiting; null: no problem is known. */
  readonly problem: string | null
}

/** Returns the stub of the Directory. There is one per deployment. */
export function directoryStub(env: Env) {
  return objectStub(env, env.DIRECTORY, 'directory')
}

/** Parses the documents of a snapshot. */
export function toRecords(texts: ApiSnapshot): readonly ApiRecord[] {
  return texts.apis.map((api) => ({ ...api, document: parseJson(api.document) as ApiRecord['document'] }))
}
