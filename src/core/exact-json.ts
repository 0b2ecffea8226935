// JSON whose numbers are only passed on: a 64-bit id, or an amount of money, is written again digit by digit.

/** ES2025, which the library of TypeScript does not know yet. */
const exact = JSON as typeof JSON & { rawJSON(text: string): unknown }

/** As JSON.parse, but numbers are opaque, to be written again by JSON.stringify only. Throws what JSON.parse throws. */
export function parseExactly(text: string): unknown {
  return JSON.parse(text, (_key, value: unknown, context?: { readonly source: string }) =>
    typeof value === 'number' && context !== undefined ? exact.rawJSON(context.source) : value,
  ) as unknown
}
