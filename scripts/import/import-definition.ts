// What `npm run import` does with the text of an OpenAPI document and that of proxy.json. Pure; called by
// scripts/import-openapi.ts.
import { parse } from 'yaml'
import { idOf } from '../../src/api-definitions/api-record.ts'
import type { DefinitionEnv } from '../../src/api-definitions/api-route.ts'
import { importOpenApi, type ImportedApi, type ImportOptions } from '../../src/api-definitions/import/import-openapi.ts'
import { parseDefinitions } from '../../src/api-definitions/parse-definitions.ts'
import { isObject } from '../../src/core/json.ts'
import { fail, ok, type Result } from '../../src/core/result.ts'

/** One line for each problem. */
type Problems = readonly string[]

/** The variables and bindings of a deployment are not known here: all that a definition names may be there. */
const ANY_ENV: DefinitionEnv = {
  variable: () => 'https://example.com',
  hasService: () => true,
  hasRateLimit: () => true,
  hasSource: () => true,
  canSignClaims: true,
}

/** Fails if the text is no document that can be imported, and if Rigel would refuse the definition. */
export function toDefinition(text: string, options: ImportOptions): Result<ImportedApi, Problems> {
  // JSON is YAML. Without `merge`, what `<<: *secured` refers to would be ignored.
  const document = attempt(() => parse(text, { merge: true }) as unknown)
  if (!document.ok) return fail([`is not YAML or JSON: ${document.reason}`])
  const imported = importOpenApi(document.value, options)
  if (!imported.ok) return fail([imported.reason])
  const problems = problemsOf([imported.value.definition])
  return problems.length > 0 ? fail(problems) : imported
}

/**
 * Returns the text of proxy.json with the definition: in the place of the one of the same id, because the first route that
 * matches wins, else at the end. Fails if Rigel would refuse the file.
 */
export function withDefinition(proxy: string, definition: ImportedApi['definition']): Result<string, Problems> {
  const file = attempt(() => JSON.parse(proxy) as unknown)
  if (!file.ok) return fail([`is not JSON: ${file.reason}`])
  const apis = isObject(file.value) ? file.value['apis'] : file.value
  if (!Array.isArray(apis)) return fail(['must be a list of API definitions, or {"apis": [...]}'])
  const id = idOf(definition)
  const isKnown = apis.some((api) => idOf(api) === id)
  const all: unknown[] = isKnown
    ? apis.map((api: unknown) => (idOf(api) === id ? definition : api))
    : [...apis, definition]
  const problems = problemsOf(all)
  if (problems.length > 0) return fail(problems)
  return ok(`${JSON.stringify(isObject(file.value) ? { ...file.value, apis: all } : all, null, 2)}\n`)
}

function problemsOf(apis: readonly unknown[]): Problems {
  const parsed = parseDefinitions(apis, ANY_ENV, true)
  return parsed.ok ? [] : parsed.reason.map(({ field, message, where }) => `${where}: ${field} ${message}`)
}

function attempt<T>(work: () => T): Result<T, string> {
  try {
    return ok(work())
  } catch (error) {
    return fail(error instanceof Error ? error.message : String(error))
  }
}
