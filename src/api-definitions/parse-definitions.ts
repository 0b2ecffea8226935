// Parses a list of API definitions, in either format, into routes, or into a list of everything that is wrong. Called for
// proxy.json, PROXY_CONFIG and /v3/apis.
import { z } from 'zod'
import { fail, ok, type Result } from '../core/result.ts'
import { parseRigForm, rigFormSchema } from './rig-format.ts'
import type { ApiDefinition, Problem, DefinitionEnv } from './api-route.ts'
import { findShadowed } from './router.ts'
import { isShortForm, parseShortForm, shortFormSchema } from './short-format.ts'

/** Each route costs memory in every isolate: 20,000 are some megabytes. */
const MAX_ROUTES = 20_000

export function parseDefinition(
  document: unknown,
  definitionEnv: DefinitionEnv,
): Result<ApiDefinition, readonly Problem[]> {
  return isShortForm(document) ? parseShortForm(document, definitionEnv) : parseRigForm(document, definitionEnv)
}

/** Skips inactive definitions. Routes are tried in the order of the list. */
export function parseDefinitions(
  documents: readonly unknown[],
  definitionEnv: DefinitionEnv,
): Result<readonly ApiDefinition[], readonly Problem[]> {
  const definitions: ApiDefinition[] = []
  const problems: Problem[] = []
  const ids = new Set<string>()
  for (const document of documents) {
    if (isInactive(document)) continue
    const parsed = parseDefinition(document, definitionEnv)
    if (!parsed.ok) problems.push(...parsed.reason)
    else if (ids.has(parsed.value.id)) problems.push({ where: parsed.value.id, field: 'id', message: 'must be unique' })
    else definitions.push(parsed.value)
    if (parsed.ok) ids.add(parsed.value.id)
  }
  const count = definitions.reduce((sum, { routes }) => sum + routes.length, 0)
  if (count > MAX_ROUTES)
    problems.push({ where: 'api', field: 'routes', message: `must be at most ${MAX_ROUTES} in all` })
  if (problems.length === 0) problems.push(...findShadowed(definitions))
  return problems.length > 0 ? fail(problems) : ok(definitions)
}

export function isInactive(document: unknown): boolean {
  return typeof document === 'object' && document !== null && 'active' in document && document.active === false
}

/** JSON Schema of proxy.json and PROXY_CONFIG, for editors. scripts/proxy-schema.ts writes it to public/. */
export function definitionsJsonSchema(): unknown {
  const apis = z.array(z.union([shortFormSchema.meta({ id: 'Api' }), rigFormSchema.meta({ id: 'RigApi' })]))
  const file = z.strictObject({ $schema: z.string().optional(), apis })
  return z.toJSONSchema(z.union([file, apis]), { io: 'input', target: 'draft-7' })
}
