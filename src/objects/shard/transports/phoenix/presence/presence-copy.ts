// A shard's copy of the presences of a topic, updated by the topic's diffs: later members on the shard get their state from it,
// without a call to the topic. It holds JSON per name, so that a page for a new member is concatenated, not encoded. Pure.
import { stringifyCloneable } from '../../../../../core/identity/cloneable-claims.ts'
import { isObject } from '../../../../../core/json.ts'
import type { PresenceDiff, PresenceMeta, Presences } from '../../../../../rpc/presence.ts'

/** Names in one message: about 50 kB. */
const PAGE_NAMES = 500
/** Characters after which a page takes no more names. */
const PAGE_CHARS = 65_536

/** What a value takes besides its characters, about. */
const OVERHEAD_BYTES = 32
const COPY_BYTES = 1_024
/** A name without its values, about: its entries in the map and in memory, and its JSON. Measured by the test. */
const NAME_BYTES = 320

interface PresentName {
  readonly metas: readonly PresenceMeta[]
  /** About what it takes in memory, with its JSON. */
  readonly bytes: number
  /** `"<name>":{"metas":[…]}`. Encoded with the first page that has it, so that the encoding of a large topic comes in steps. */
  json?: string
}

/** JSON objects of names, page by page. Returns whether the copy was dropped before all had been read. */
export type PresencePageReader = Generator<string, { readonly isDropped: boolean }>

export class PresenceCopy {
  readonly #names = new Map<string, PresentName>()
  #version: number | undefined
  #bytes = COPY_BYTES
  #isDropped = false

  constructor(presences: Presences) {
    for (const [name, { metas }] of Object.entries(presences)) this.#set(name, metas)
  }

  /** About what it takes in memory. */
  get bytes(): number {
    return this.#bytes
  }

  /** Returns false if a diff before this one is missing: the copy is wrong then. */
  apply({ joins, leaves }: PresenceDiff, version: number): boolean {
    if (this.#isDropped || (this.#version !== undefined && version !== this.#version + 1)) return false
    this.#version = version
    for (const [name, { metas }] of Object.entries(joins))
      this.#set(name, [...without(this.#metas(name), metas), ...metas])
    for (const [name, { metas }] of Object.entries(leaves)) this.#set(name, without(this.#metas(name), metas))
    return true
  }

  /** Gives its memory back, also while readers are not at the end. */
  drop(): void {
    this.#isDropped = true
    this.#names.clear()
  }

  /** At least one page. Each is of the moment in which it is asked for: a name may have left before its page. */
  *pages(): PresencePageReader {
    // Members that enter meanwhile stand behind these in the map: diffs tell of them.
    let left = this.#names.size
    const names = this.#names.entries()
    let page = takePage(names, left)
    do {
      if (this.#isDropped) return { isDropped: true }
      yield `{${page.join(',')}}`
      left -= page.length
      page = takePage(names, left)
    } while (page.length > 0)
    return { isDropped: this.#isDropped }
  }

  #metas(name: string): readonly PresenceMeta[] {
    return this.#names.get(name)?.metas ?? []
  }

  #set(name: string, metas: readonly PresenceMeta[]): void {
    this.#bytes -= this.#names.get(name)?.bytes ?? 0
    if (metas.length === 0) this.#names.delete(name)
    else {
      const bytes = NAME_BYTES + bytesOf(metas) + 2 * name.length
      this.#bytes += bytes
      this.#names.set(name, { metas, bytes })
    }
  }
}

/** Returns the JSON of the next names, at most `most`. */
function takePage(names: Iterator<[string, PresentName]>, most: number): readonly string[] {
  const page: string[] = []
  let chars = 0
  while (page.length < Math.min(most, PAGE_NAMES) && chars < PAGE_CHARS) {
    const next = names.next()
    if (next.done === true) break
    const [name, present] = next.value
    present.json ??= `${JSON.stringify(name)}:${stringifyCloneable({ metas: present.metas })}`
    page.push(present.json)
    chars += present.json.length
  }
  return page
}

/** Values, and the same again as JSON. */
function bytesOf(value: unknown): number {
  if (typeof value === 'string') return OVERHEAD_BYTES + 2 * value.length
  if (Array.isArray(value)) return value.reduce((sum: number, member) => sum + bytesOf(member), OVERHEAD_BYTES)
  if (!isObject(value)) return OVERHEAD_BYTES
  return Object.entries(value).reduce((sum, [key, member]) => sum + key.length + bytesOf(member), OVERHEAD_BYTES)
}

function without(metas: readonly PresenceMeta[], removed: readonly PresenceMeta[]): readonly PresenceMeta[] {
  const refs = new Set(removed.map((meta) => meta.phx_ref))
  return metas.filter((meta) => !refs.has(meta.phx_ref))
}
