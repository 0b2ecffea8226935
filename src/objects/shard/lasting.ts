// What a connection of any of RIG's transports keeps of the terms it was opened on, and what of them may change while it
// lasts. The transports extend it by what they write.
import type { Filter } from '../../core/subscriptions/filter.ts'
import type { Subscription } from '../../core/subscriptions/subscription.ts'
import type { Owner, Resume } from './connection.ts'
import type { Terms } from './connection-state.ts'

export abstract class Lasting {
  filter: Filter
  owner: Owner
  subscriptions: readonly Subscription[]
  inferred: readonly Subscription[]
  warned = false
  endsAtMs: number
  endsByToken: boolean
  resume: Resume | null

  constructor(terms: Terms) {
    this.filter = terms.filter
    this.owner = terms.owner
    this.subscriptions = terms.subscriptions
    this.inferred = terms.inferred
    this.endsAtMs = terms.endsAtMs
    this.endsByToken = terms.endsByToken
    this.resume = terms.resume
  }
}
