// A list of API definitions, in either form → routes, or everything that is wrong with it. For PROXY_CONFIG and for what
// comes through /v3/apis alike.
import { z } from 'zod'
import { fail, ok, type Result } from '../core/result.ts'
import { parseRigForm, rigFormSchema } from './rig-format.ts'
import type { ApiDefinition, Problem, DefinitionEnv } from './api-route.ts'
import { findShadowed } from './router.ts'
import { isShortForm, parseShortForm, shortFormSchema } from './short-format.ts'

/** Some megabytes of JSON, and more than anybody has. */
const MAX_ROUTES = 20_000

export function parseDefinition(
  document: unknown,
  surroundings: DefinitionEnv,
): Result<ApiDefinition, readonly Problem[]> {
  return isShortForm(document) ? parseShortForm(document, surroundings) : parseRigForm(document, surroundings)
}

/** Active ones only, in the order given, which is the order in which routes are tried. */
export function parseDefinitions(
  documents: readonly unknown[],
  surroundings: DefinitionEnv,
): Result<readonly ApiDefinition[], readonly Problem[]> {
  const definitions: ApiDefinition[] = []
  const problems: Problem[] = []
  const ids = new Set<string>()
  for (const document of documents) {
    if (isInactive(document)) continue
    const parsed = parseDefinition(document, surroundings)
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

/** For editors: of `proxy.json`, and of the variable PROXY_CONFIG. scripts/proxy-schema.ts publishes it. */
export function definitionsJsonSchema(): unknown {
  const apis = z.array(z.union([shortFormSchema.meta({ id: 'Api' }), rigFormSchema.meta({ id: 'RigApi' })]))
  const file = z.strictObject({ $schema: z.string().optional(), apis })
  return z.toJSONSchema(z.union([file, apis]), { io: 'input', target: 'draft-7' })
}
