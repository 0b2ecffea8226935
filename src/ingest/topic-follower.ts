import { DurableObject } from 'cloudflare:workers'
import type { InterestChange } from '../directory/interest.ts'

export class TopicFollower extends DurableObject<Env> {
  /** Something was produced, or may have been: read on now. Returns at once if it reads already. */
  async nudge(): Promise<void> {}
  /** Applied before it resolves. */
  async applyInterest(_change: InterestChange): Promise<void> {}
}
