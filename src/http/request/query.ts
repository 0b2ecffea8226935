// The parameters of a URL's query, as URLSearchParams reads them, without a URL object: making one costs more than finding a
// connection's parameters. Used where a request is looked at for a token, a position or a single parameter.

/** Name, decoded, and value, as the client wrote it: most are long, and few are asked for. */
export type QueryParameter = readonly [name: string, encodedValue: string]

/** Returns the parameters in their order. */
export function parametersOf(url: string): readonly QueryParameter[] {
  const start = url.indexOf('?')
  const hash = url.indexOf('#')
  if (start === -1 || (hash !== -1 && hash < start)) return []
  const query = url.slice(start + 1, hash === -1 ? undefined : hash)
  const parameters: QueryParameter[] = []
  for (const part of query.split('&')) {
    if (part === '') continue
    const equals = part.indexOf('=')
    const name = equals === -1 ? part : part.slice(0, equals)
    parameters.push([decodeQueryText(name), equals === -1 ? '' : part.slice(equals + 1)])
  }
  return parameters
}

/** Returns the first value of a parameter, decoded, or null. */
export function queryParameter(url: string, name: string): string | null {
  return valueIn(parametersOf(url), name)
}

/** The same, for several names of one query. */
export function valueIn(parameters: readonly QueryParameter[], name: string): string | null {
  const found = parameters.find(([known]) => known === name)
  return found === undefined ? null : decodeQueryText(found[1])
}

/** Returns all values of a parameter, decoded. */
export function valuesIn(parameters: readonly QueryParameter[], name: string): readonly string[] {
  return parameters.flatMap(([known, encoded]) => (known === name ? [decodeQueryText(encoded)] : []))
}

/** Returns the text of a name or value. Wrong escapes are read as URLSearchParams reads them. */
export function decodeQueryText(encoded: string): string {
  if (!/[%+]/.test(encoded)) return encoded
  try {
    return decodeURIComponent(encoded.replaceAll('+', ' '))
  } catch {
    return new URL(`http://query/?x=${encoded}&`).searchParams.get('x') ?? ''
  }
}
