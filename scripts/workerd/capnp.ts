// A value as Cap'n Proto text: objects are structs, arrays lists. Pure. Used by config.ts.

/** The content of a file, put in by workerd when it reads the configuration. */
export class Embed {
  readonly path: string

  constructor(path: string) {
    this.path = path
  }
}

export type CapnpValue =
  | string
  | number
  | boolean
  | Embed
  | readonly CapnpValue[]
  | { readonly [name: string]: CapnpValue }

export function toCapnp(value: CapnpValue, indent = ''): string {
  if (typeof value === 'string') return quote(value)
  if (typeof value === 'number' || typeof value === 'boolean') return String(value)
  if (value instanceof Embed) return `embed ${quote(value.path)}`
  const inner = `${indent}  `
  if (isList(value)) {
    const items = value.map((item) => `${inner}${toCapnp(item, inner)},\n`)
    return items.length === 0 ? '[]' : `[\n${items.join('')}${indent}]`
  }
  const fields = Object.entries(value).map(([name, field]) => `${name} = ${toCapnp(field, indent)}`)
  return `(${fields.join(', ')})`
}

function isList(value: CapnpValue): value is readonly CapnpValue[] {
  return Array.isArray(value)
}

/** JSON's escapes are Cap'n Proto's, but for \u. */
function quote(text: string): string {
  const escaped = JSON.stringify(text).replaceAll(/\\u00([\da-f]{2})/g, String.raw`\x$1`)
  return escaped
}
