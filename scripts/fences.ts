// The fenced blocks of a Markdown page, and what their first line says about how they are run: docs/testing.md, "Snippets".
// Used by check-docs.ts, and by the tests that run them. Pure.

export interface Fence {
  /** Of the line with the language, from 1. */
  readonly line: number
  /** Empty for a diagram. */
  readonly language: string
  /** The rest of that line. */
  readonly info: string
  readonly code: string
}

export function fencesOf(markdown: string): readonly Fence[] {
  const fences: Fence[] = []
  const pattern = /^( *)```(\S*) *(.*)\n([\s\S]*?)^\1```$/gm
  for (const { 1: indent = '', 2: language = '', 3: info = '', 4: code = '', index } of markdown.matchAll(pattern)) {
    const line = markdown.slice(0, index).split('\n').length
    fences.push({ line, language, info, code: code.replaceAll(new RegExp(`^${indent}`, 'gm'), '').trimEnd() })
  }
  return fences
}

/** The code of a fence that is marked `run=NAME`. `id` is `docs/page.md#NAME`, `markdown` that page. Throws if there is none. */
export function snippetOf(id: string, markdown: string): string {
  const name = id.split('#')[1] ?? ''
  const found = fencesOf(markdown).find(({ info }) => info === `run=${name}`)
  if (found === undefined) throw new Error(`no fence is marked as ${id}`)
  return found.code
}
