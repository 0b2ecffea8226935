// A shard's side of interest: declares to the Directory which types and users the shard wants, one call at a time, however
// many changes wait. A type whose bits every follower has confirmed needs no call. Pure: the call is an argument. Used by
// objects/shard/interest-registry.ts.
import { bitmapOf, bitsOf, hasBits, intersect, setBits } from './bitmap.ts'
import type { InterestDeclaration } from './ledger.ts'

/** The Directory's answer. */
export interface DeclareResult {
  /** Epoch of the Directory's storage. */
  readonly epoch: string
  /** False: the Directory does not know this shard's interest, and wants a complete declaration. Nothing was stored. */
  readonly isAccepted: boolean
}

/** What the shard wants and every follower knows, as the shard has it stored. */
interface ConfirmedInterest {
  types(): Iterable<string>
  users(): Iterable<string>
}

/** What an InterestDeclarer calls, and where it finds the interest that is confirmed. */
export interface InterestDeclarerDeps {
  /** Resolves when every follower has confirmed; rejects if one could not be told. */
  declare: (declaration: Omit<InterestDeclaration, 'shard'>) => Promise<DeclareResult>
  readonly confirmed: ConfirmedInterest
  /** Stores the epoch of the Directory. */
  setEpoch: (epoch: string) => void
  nowMs(): number
}

interface Pending {
  readonly types: Set<string>
  readonly users: Set<string>
}

const nothing = (): Pending => ({ types: new Set(), users: new Set() })

/** Declares a shard's interest to the Directory. One per shard; calls that fail are not retried here. */
export class InterestDeclarer {
  readonly #deps: InterestDeclarerDeps
  #epoch: string | null
  /** Bits that every follower has confirmed, and that are not being withdrawn. Undefined until first needed. */
  #confirmed: Uint8Array | undefined
  /** To be declared by the next call. */
  #pending = nothing()
  readonly #unwatch = new Set<string>()
  /** The call that will declare what is pending; undefined: nothing is. */
  #next: Promise<void> | undefined
  /** The call under way, and those before it. Never rejects. */
  #last: Promise<void> = Promise.resolve()
  #sequence = 0

  constructor(epoch: string | null, deps: InterestDeclarerDeps) {
    this.#epoch = epoch
    this.#deps = deps
  }

  /** The epoch of the Directory that knows the shard's interest. Null: none does. */
  get epoch(): string | null {
    return this.#epoch
  }

  /** True if every follower sends events of this type to the shard already. */
  isConfirmed(type: string): boolean {
    return hasBits(this.#bitmap(), bitsOf(type))
  }

  /** Resolves when every follower knows that the shard wants these. Rejects if one could not be told. */
  async add(types: Iterable<string>, users: Iterable<string>): Promise<void> {
    for (const type of types) if (!this.isConfirmed(type)) this.#pending.types.add(type)
    for (const user of users) {
      this.#pending.users.add(user)
      this.#unwatch.delete(user)
    }
    if (this.#pending.types.size + this.#pending.users.size > 0) await this.#declareSoon()
  }

  /**
   * Declares that the shard has stopped wanting users, and types: all but `remaining`, which must include types whose `add`
   * is under way. Bits that no remaining type has count as unconfirmed at once: from now on followers may forget them.
   */
  async withdraw(users: Iterable<string>, remaining: Iterable<string>): Promise<void> {
    for (const user of users) if (!this.#pending.users.has(user)) this.#unwatch.add(user)
    intersect(this.#bitmap(), bitmapOf(remaining))
    await this.#declareSoon()
  }

  /** A Directory with another epoch asks for everything. */
  async declareAnew(epoch: string): Promise<void> {
    if (epoch !== this.#epoch) await this.#declareSoon()
  }

  #bitmap(): Uint8Array {
    return (this.#confirmed ??= bitmapOf(this.#deps.confirmed.types()))
  }

  /** One call at a time: what is asked for during a call is declared by the next. */
  #declareSoon(): Promise<void> {
    if (this.#next !== undefined) return this.#next
    const next = this.#last.then(() => {
      this.#next = undefined
      return this.#declare()
    })
    this.#next = next
    this.#last = next.catch(() => undefined)
    return next
  }

  async #declare(): Promise<void> {
    const declared = this.#pending
    this.#pending = nothing()
    const unwatched = [...this.#unwatch]
    const bitmap = Uint8Array.from(this.#bitmap())
    for (const type of declared.types) setBits(bitmap, bitsOf(type))
    try {
      await this.#send(bitmap, declared, unwatched)
    } catch (error) {
      // The Directory may have stored it all the same.
      const wanted = new Set([...this.#deps.confirmed.users(), ...this.#pending.users])
      for (const user of declared.users) if (!wanted.has(user)) this.#unwatch.add(user)
      throw error
    }
    for (const user of unwatched) this.#unwatch.delete(user)
    // Bits may have been withdrawn during the call: only those of the types that were declared are added.
    for (const type of declared.types) setBits(this.#bitmap(), bitsOf(type))
  }

  async #send(bitmap: Uint8Array, { users }: Pending, unwatch: readonly string[]): Promise<void> {
    const { declare, setEpoch } = this.#deps
    if (this.#epoch !== null) {
      const watch = [...users]
      const change = { epoch: this.#epoch, bitmap, watch, unwatch, isComplete: false }
      if ((await declare({ ...change, sequence: this.#nextSequence() })).isAccepted) return
    }
    const watch = [...new Set([...this.#deps.confirmed.users(), ...users])]
    const whole = { epoch: this.#epoch, bitmap, watch, unwatch: [], isComplete: true }
    const { epoch } = await declare({ ...whole, sequence: this.#nextSequence() })
    this.#epoch = epoch
    setEpoch(epoch)
  }

  /** Grows across restarts of the object as well. */
  #nextSequence(): number {
    this.#sequence = Math.max(this.#sequence + 1, this.#deps.nowMs())
    return this.#sequence
  }
}
