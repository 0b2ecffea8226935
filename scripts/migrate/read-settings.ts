// Reads RIG's settings from the text of a file: Helm values (`deployment.env`), a Kubernetes manifest, a compose file,
// or `NAME=value` lines. Pure. Called by scripts/migrate.ts.

/** `replicas` is null if the file does not have it. */
export interface RigSettings {
  readonly variables: Readonly<Record<string, string>>
  readonly replicas: number | null
}

/** `document` is the file parsed as YAML, or undefined if it is not YAML. */
export function readYaml(document: unknown): RigSettings {
  const variables: Record<string, string> = {}
  let replicas: number | null = null
  walk(document, (name, value) => {
    if (name === 'env' || name === 'environment') Object.assign(variables, toVariables(value))
    if ((name === 'replicaCount' || name === 'replicas') && typeof value === 'number') replicas = value
  })
  return { variables, replicas }
}

function walk(value: unknown, visit: (name: string, value: unknown) => void): void {
  if (Array.isArray(value)) for (const item of value) walk(item, visit)
  else if (typeof value === 'object' && value !== null) {
    for (const [name, inner] of Object.entries(value)) {
      visit(name, inner)
      walk(inner, visit)
    }
  }
}

/**
 * `{NAME: value}`, `[{name, value}]` or `["NAME=value"]`. What comes from elsewhere (`valueFrom`) has no value here.
 */
function toVariables(value: unknown): Readonly<Record<string, string>> {
  const entries = Array.isArray(value) ? value.map(toEntry) : Object.entries(isRecord(value) ? value : {})
  return Object.fromEntries(
    entries.flatMap(([name, text]) => (name !== '' && isScalar(text) ? [[name, String(text)] as const] : [])),
  )
}

function toEntry(item: unknown): readonly [name: string, value: unknown] {
  if (typeof item === 'string') {
    const at = item.indexOf('=')
    return at < 0 ? ['', undefined] : [item.slice(0, at), item.slice(at + 1)]
  }
  return isRecord(item) && typeof item['name'] === 'string' ? [item['name'], item['value']] : ['', undefined]
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function isScalar(value: unknown): value is string | number | boolean {
  return typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean'
}
