import { expect, it } from 'vitest'
import { readHello } from '../../../src/http/connections/phoenix-hello.ts'

const fields = { presenceClaims: ['username', 'picture', '__proto__', 'team'], rolesField: ['roles'] }

it('shows the claims that fit into 1,024 characters, and leaves out one that does not, whole', () => {
  const claims = { username: 'alice', picture: 'x'.repeat(1_024), team: 'blue', roles: ['support'], secret: 1 }
  expect(readHello('2.0.0', claims, fields)).toEqual({
    vsn: 2,
    roles: ['support'],
    meta: { username: 'alice', team: 'blue' },
  })
  expect(readHello(undefined, { ...claims, picture: 'x'.repeat(900) }, fields).meta).toHaveProperty('picture')
})

it('takes roles that are no list of texts for none, and a claim of any name for a claim', () => {
  const claims = JSON.parse('{"roles":["support",1],"__proto__":{"admin":true}}') as Record<string, unknown>
  const { meta, roles } = readHello(undefined, claims, fields)
  expect([roles, Object.keys(meta), Object.hasOwn(meta, '__proto__')]).toEqual([[], ['__proto__'], true])
  expect((meta as { admin?: boolean }).admin).toBe(undefined)
})
