import { DurableObject } from 'cloudflare:workers'
import type { InterestSnapshot } from './interest.ts'

export class Directory extends DurableObject<Env> {
  /** Resolves when every follower has applied it; rejects if one could not be told: the caller then must not confirm. */
  async changeInterest(_shard: number, _gained: readonly string[], _lost: readonly string[]): Promise<void> {}
  async registerFollower(_topic: string, _partition: number): Promise<InterestSnapshot> {
    return { version: 0, interests: [] }
  }
}
