// Writes values as Cap'n Proto text: objects as structs, arrays as lists. Pure. Used by config.ts.

/** The content of a file, which workerd embeds when it reads the configuration. */
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

/** Cap'n Proto has the escapes of JSON, except \u. */
function quote(text: string): string {
  const escaped = JSON.stringify(text).replaceAll(/\\u00([\da-f]{2})/g, String.raw`\x$1`)
  return escaped
}
