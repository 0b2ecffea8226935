// The findings of `npm run doctor`, and how they are printed. Pure. Used by the checks beside this file.

/** `problem`: Rigel would not work. `warning`: a part of Rigel would not work, or something is unsafe. */
type Level = 'ok' | 'warning' | 'problem'

export interface Finding {
  readonly level: Level
  /** What was checked, such as `topic orders`. */
  readonly subject: string
  readonly text: string
  /** What to do about it. */
  readonly todo?: string
}

export const ok = (subject: string, text: string): Finding => ({ level: 'ok', subject, text })
export const warning = (subject: string, text: string, todo: string): Finding => ({
  level: 'warning',
  subject,
  text,
  todo,
})
export const problem = (subject: string, text: string, todo: string): Finding => ({
  level: 'problem',
  subject,
  text,
  todo,
})

const MARKS: Readonly<Record<Level, string>> = { ok: 'ok      ', warning: 'WARNING ', problem: 'PROBLEM ' }
const INDENT = ' '.repeat(9)

/** Formats one finding: a line, and if necessary a second one with what to do. */
export function render({ level, subject, text, todo }: Finding): string {
  const line = `${MARKS[level]} ${subject}: ${text}`
  return todo === undefined ? line : `${line}\n${INDENT}→ ${todo}`
}

/** The last line. */
export function summarise(findings: readonly Finding[]): string {
  const count = (level: Level) => findings.filter((finding) => finding.level === level).length
  return `${count('problem')} problems, ${count('warning')} warnings, ${count('ok')} ok`
}

/** Returns an error's message with its cause, because the message of fetch has no details. */
export function messageOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  if (error instanceof AggregateError) return error.errors.map(messageOf).join(', ')
  return error.cause === undefined ? error.message : `${error.message}: ${messageOf(error.cause)}`
}
