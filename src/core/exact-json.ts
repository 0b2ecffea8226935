// JSON whose numbers are only passed on: a 64-bit id, or an amount of money, is written again digit by digit.

/** ES2025, which the library of TypeScript does not know yet. */
const exact = JSON as typeof JSON & {
  rawJSON(text: string): unknown
  isRawJSON(value: unknown): value is { readonly rawJSON: string }
}

/** As JSON.parse, but numbers are opaque, to be written again by JSON.stringify only. Throws what JSON.parse throws. */
export function parseExactly(text: string): unknown {
  return JSON.parse(text, (_key, value: unknown, context?: { readonly source: string }) =>
    typeof value === 'number' && context !== undefined ? exact.rawJSON(context.source) : value,
  ) as unknown
}

/** The digits of a number, however it was parsed; undefined: it is none. */
export function numberText(value: unknown): string | undefined {
  if (typeof value === 'number') return Number.isFinite(value) ? String(value) : undefined
  return exact.isRawJSON(value) ? value.rawJSON : undefined
}
