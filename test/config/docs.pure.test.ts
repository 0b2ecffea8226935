// The variables, rules and definitions that docs/ shows are valid: each `ini` block, as .dev.vars, and the JSON of three pages.
import { describe, expect, it } from 'vitest'
import { fencesOf, snippetOf } from '../../scripts/fences.ts'
import { parseDefinitions } from '../../src/api-definitions/parse-definitions.ts'
import { parseConfig } from '../../src/config/parse-config.ts'
import { parsePointer } from '../../src/core/json-pointer.ts'
import { grantOf } from '../../src/core/rules/type-grant.ts'
import configuration from '../../docs/configuration.md?raw'
import gateway from '../../docs/gateway.md?raw'
import rules from '../../docs/rules.md?raw'
import sources from '../../docs/sources.md?raw'

const pages = import.meta.glob<string>('../../docs/*.md', { query: '?raw', import: 'default', eager: true })
const blocks = Object.entries(pages).flatMap(([page, text]) =>
  fencesOf(text)
    .filter(({ language }) => language === 'ini')
    .map(({ code, line }) => ({ where: `${page.replace('../../', '')}:${line}`, code })),
)

/** `NAME=value # comment`, a line each. */
function variablesOf(code: string): Readonly<Record<string, string>> {
  const lines = code.split('\n').map((line) => /^([A-Z_\d]+)=(.*?)(?:\s+#.*)?$/.exec(line))
  return Object.fromEntries(lines.map((line) => [line?.[1] ?? `not a variable: ${String(line)}`, line?.[2] ?? '']))
}

function problemsOf(variables: Readonly<Record<string, unknown>>): readonly string[] {
  const config = parseConfig(variables)
  return config.ok ? [] : config.reason
}

describe('the variables of', () => {
  it('the documentation are found', () => {
    expect(blocks.length).toBeGreaterThan(8)
  })

  it.each(blocks)('$where are valid', ({ code }) => {
    const binding = { connect: () => {}, fetch: () => {} }
    // `…` stands for a secret, whose form is not checked.
    const variables = variablesOf(code.replaceAll('…', 'secret'))
    const isSecret = (problem: string): boolean => code.includes(`${problem.split(':')[0] ?? ''}=…`)
    const problems = problemsOf({ KAFKA_NETWORK: binding, KAFKA_REST: binding, ...variables })
    expect(problems.filter((problem) => !isSecret(problem))).toEqual([])
    expect(Object.keys(variables).filter((name) => !configuration.includes(`\`${name}\``))).toEqual([])
  })
})

it('the rule of docs/sources.md is valid', () => {
  const { topics: TOPICS } = JSON.parse(snippetOf('docs/sources.md#rule', sources)) as { topics: unknown }
  expect(problemsOf({ KAFKA_SOURCE_TOPICS: 'orders', TOPICS })).toEqual([])
})

it('the definitions of docs/gateway.md are valid', () => {
  const { apis } = JSON.parse(snippetOf('docs/gateway.md#definitions', gateway)) as { apis: readonly unknown[] }
  const environment = {
    variable: () => undefined,
    hasService: () => false,
    hasSource: () => false,
    hasRateLimit: () => false,
    canSignClaims: false,
  }
  expect(parseDefinitions(apis, environment)).toMatchObject({ ok: true })
})

it('the rules of docs/rules.md are valid', () => {
  const orders = { tenant: { stable_field_index: 0, event: { json_pointer: '/data/tenant' } } }
  const TYPES = JSON.parse(snippetOf('docs/rules.md#types', rules)) as unknown
  expect(problemsOf({ TYPES, EXTRACTORS: { 'order.created': orders } })).toEqual([])
})

it('the token of docs/rules.md narrows what it says', () => {
  const claims = JSON.parse(snippetOf('docs/rules.md#token', rules)) as { readonly rig: object }
  expect(grantOf(null, parsePointer('/roles') ?? [], claims, true)).toMatchObject({
    ok: true,
    value: { only: claims.rig },
  })
})
