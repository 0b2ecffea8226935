// A shard's copy of the presences of a topic, updated by the topic's diffs: later members on the shard get their state from it,
// without a call to the topic. It holds JSON per name, so that a page for a new member is concatenated, not encoded. Pure.
import { stringifyCloneable } from '../../../../core/identity/cloneable-claims.ts'
import type { PresenceDiff, PresenceMeta, Presences } from '../../../../rpc/presence.ts'

/** Names in one message: about 50 kB. */
const PAGE_NAMES = 500
/** Characters after which a page takes no more names. */
const PAGE_CHARS = 65_536

interface PresentName {
  readonly metas: readonly PresenceMeta[]
  /** `"<name>":{"metas":[…]}`. Encoded with the first page that has it, so that the encoding of a large topic comes in steps. */
  json?: string
}

export class PresenceCopy {
  readonly #names = new Map<string, PresentName>()
  #version: number | undefined

  constructor(presences: Presences) {
    for (const [name, { metas }] of Object.entries(presences)) this.#set(name, metas)
  }

  /** Returns false if a diff before this one is missing: the copy is wrong then. */
  apply({ joins, leaves }: PresenceDiff, version: number): boolean {
    if (this.#version !== undefined && version !== this.#version + 1) return false
    this.#version = version
    for (const [name, { metas }] of Object.entries(joins))
      this.#set(name, [...without(this.#metas(name), metas), ...metas])
    for (const [name, { metas }] of Object.entries(leaves)) this.#set(name, without(this.#metas(name), metas))
    return true
  }

  /** JSON objects of all names, page by page, at least one. Each page is of the moment in which it is asked for: a name may have left before its page. */
  *pages(): Generator<string, void> {
    let page: string[] = []
    let chars = 0
    let isFirst = true
    const names = [...this.#names.keys()]
    for (const name of names) {
      const json = this.#jsonOf(name)
      if (json === undefined) continue
      page.push(json)
      chars += json.length
      if (page.length < PAGE_NAMES && chars < PAGE_CHARS) continue
      yield `{${page.join(',')}}`
      page = []
      chars = 0
      isFirst = false
    }
    if (isFirst || page.length > 0) yield `{${page.join(',')}}`
  }

  /** Undefined if the name has left since the pages were begun. */
  #jsonOf(name: string): string | undefined {
    const present = this.#names.get(name)
    if (present === undefined) return undefined
    const { metas } = present
    return (present.json ??= `${JSON.stringify(name)}:${stringifyCloneable({ metas })}`)
  }

  #metas(name: string): readonly PresenceMeta[] {
    return this.#names.get(name)?.metas ?? []
  }

  #set(name: string, metas: readonly PresenceMeta[]): void {
    if (metas.length === 0) this.#names.delete(name)
    else this.#names.set(name, { metas })
  }
}

function without(metas: readonly PresenceMeta[], removed: readonly PresenceMeta[]): readonly PresenceMeta[] {
  const refs = new Set(removed.map((meta) => meta.phx_ref))
  return metas.filter((meta) => !refs.has(meta.phx_ref))
}
