// The fenced blocks of a Markdown page, and what the comment above each says about how it is run: docs/testing.md, "Snippets".
// Used by check-docs.ts, and by the tests that run them. Pure.

export interface Fence {
  /** Number of the line that names the language, counted from 1. */
  readonly line: number
  /** Empty for a diagram. */
  readonly language: string
  /** The comment on the line above, such as `run=publish`; empty without one. */
  readonly mark: string
  readonly code: string
}

export function fencesOf(markdown: string): readonly Fence[] {
  const fences: Fence[] = []
  const pattern = /(?:^ *<!-- (.*) -->\n)?^( *)```(\S*).*\n([\s\S]*?)^\2```$/gm
  for (const { 1: mark = '', 2: indent = '', 3: language = '', 4: code = '', index } of markdown.matchAll(pattern)) {
    const line = markdown.slice(0, index).split('\n').length + (mark === '' ? 0 : 1)
    fences.push({ line, language, mark, code: code.replaceAll(new RegExp(`^${indent}`, 'gm'), '').trimEnd() })
  }
  return fences
}

/** The code of a fence that is marked `run=NAME`. `id` is `docs/page.md#NAME`, `markdown` that page. Throws if there is none. */
export function snippetOf(id: string, markdown: string): string {
  const name = id.split('#')[1] ?? ''
  const found = fencesOf(markdown).find(({ mark }) => mark === `run=${name}`)
  if (found === undefined) throw new Error(`no fence is marked as ${id}`)
  return found.code
}
