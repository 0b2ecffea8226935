// Parses a list of API definitions, in either format, into routes, or into a list of everything that is wrong. Called for
// proxy.json, PROXY_CONFIG and /v3/apis.
import * as z from 'zod'
import { isObject } from '../core/json.ts'
import { fail, ok, type Result } from '../core/result.ts'
import { parseRigForm } from './rig-format.ts'
import { rigFormSchema } from './rig-schema.ts'
import type { ApiDefinition, Problem, DefinitionEnv } from './api-route.ts'
import { findShadowed } from './router.ts'
import { idOf } from './api-record.ts'
import { findUseless } from './useless-routes.ts'
import { isShortForm, parseShortForm, shortFormSchema } from './short-format.ts'

/** Each route costs memory in every isolate: 20,000 are some megabytes. */
const MAX_ROUTES = 20_000

export function parseDefinition(
  document: unknown,
  definitionEnv: DefinitionEnv,
): Result<ApiDefinition, readonly Problem[]> {
  return isShortForm(document) ? parseShortForm(document, definitionEnv) : parseRigForm(document, definitionEnv)
}

/**
 * Skips inactive definitions. Routes are tried in the order of the list. A problem of a whole definition says `api`, as in
 * RIG; with `isNumbered` it says which one, by number, from 1, and id. `changed`: the id of the only one that is new, or undefined if
 * all are: useless routes of others do not keep it out, nor do those that are invalid, which are not served.
 */
export function parseDefinitions(
  documents: readonly unknown[],
  definitionEnv: DefinitionEnv,
  isNumbered = false,
  changed?: string,
): Result<readonly ApiDefinition[], readonly Problem[]> {
  const definitions: ApiDefinition[] = []
  const problems: Problem[] = []
  const ids = new Set<string>()
  for (const [index, document] of documents.entries()) {
    if (isInactive(document)) continue
    const parsed = parseDefinition(document, definitionEnv)
    if (!parsed.ok && changed !== undefined && idOf(document) !== changed) continue
    if (!parsed.ok) {
      problems.push(
        ...(isNumbered ? parsed.reason.map((problem) => withNumber(problem, index, document)) : parsed.reason),
      )
    } else if (ids.has(parsed.value.id))
      problems.push({ where: parsed.value.id, field: 'id', message: 'must be unique' })
    else definitions.push(parsed.value)
    if (parsed.ok) ids.add(parsed.value.id)
  }
  const count = definitions.reduce((sum, { routes }) => sum + routes.length, 0)
  if (count > MAX_ROUTES)
    problems.push({ where: 'api', field: 'routes', message: `must be at most ${MAX_ROUTES} in all` })
  if (problems.length === 0) {
    const fresh = changed === undefined ? definitions : definitions.filter(({ id }) => id === changed)
    problems.push(...fresh.flatMap(({ routes }) => routes.flatMap(findUseless)), ...findShadowed(definitions))
  }
  return problems.length > 0 ? fail(problems) : ok(definitions)
}

function withNumber(problem: Problem, index: number, document: unknown): Problem {
  if (problem.where !== 'api') return problem
  const id = idOf(document)
  return { ...problem, where: `definition ${index + 1}${id === undefined ? '' : ` (${id})`}` }
}

export function isInactive(document: unknown): boolean {
  return isObject(document) && document['active'] === false
}

/** JSON Schema of proxy.json and PROXY_CONFIG, for editors. scripts/proxy-schema.ts writes it to public/. */
export function definitionsJsonSchema(): unknown {
  const apis = z.array(z.union([shortFormSchema.meta({ id: 'Api' }), rigFormSchema.meta({ id: 'RigApi' })]))
  const file = z.strictObject({ $schema: z.string().optional(), apis })
  return z.toJSONSchema(z.union([file, apis]), { io: 'input', target: 'draft-7' })
}
