// Changes of API definitions beside others that were stored by an earlier version, or with other variables, and are refused now.
import { expect, it } from 'vitest'
import type { ApiRecord } from '../../../src/api-definitions/api-record.ts'
import { ApiRegistry } from '../../../src/objects/directory/api-registry.ts'

const nothing = {
  variable: () => undefined,
  hasService: () => false,
  hasRateLimit: () => false,
  hasSource: () => false,
  canSignClaims: false,
}
const api = (id: string, route: string) => ({ id, target: 'https://service.test', routes: { [route]: {} } })

function makeRegistry(old: ReturnType<typeof api> = api('old', 'GTE /old')) {
  const record = (document: ReturnType<typeof api>): ApiRecord => ({
    id: document.id,
    document,
    version: 1,
    updatedMs: 0,
  })
  const stored = new Map([[old.id, record(old)]])
  const store = {
    all: () => [...stored.values()],
    put: (id: string, document: ReturnType<typeof api>) => void stored.set(id, record({ ...document, id })),
    version: () => 1,
  }
  return new ApiRegistry(store as never, [], nothing)
}

it('a stored definition with a route that no request can reach keeps no other definition from being changed', () => {
  const registry = makeRegistry()
  expect(registry.create(api('new', 'GET /new'), 0)).toMatchObject({ kind: 'done' })
  expect(registry.update('new', api('new', 'GET /newer'), null, 0)).toMatchObject({ kind: 'done' })
})

it('a definition that is changed must have no such route, also where it was stored with one', () => {
  const registry = makeRegistry()
  expect(registry.create(api('new', 'GTE /new'), 0)).toMatchObject({ kind: 'invalid' })
  expect(registry.update('old', { name: 'still' }, null, 0)).toMatchObject({ kind: 'invalid' })
  expect(registry.update('old', api('old', 'GET /old'), null, 0)).toMatchObject({ kind: 'done' })
})

it.each([
  ['names a variable that is no longer set', { ...api('old', 'GET /old'), target: 'env:GONE' }],
  ['has half of a surrogate pair in its id, so that it cannot be removed', api('\ud800', 'GET /old')],
])('a stored definition that %s keeps no other definition from being changed', (_what, old) => {
  const registry = makeRegistry(old)
  expect(registry.create(api('new', 'GET /new'), 0)).toMatchObject({ kind: 'done' })
  expect(registry.update('new', api('new', 'GET /newer'), null, 0)).toMatchObject({ kind: 'done' })
  expect(registry.update(old.id, { name: 'still' }, null, 0)).toMatchObject({ kind: 'invalid' })
})
