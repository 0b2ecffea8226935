// The static files under /_rig/: which of them anybody gets, and with which headers.
import { env } from 'cloudflare:workers'
import { createExecutionContext } from 'cloudflare:test'
import { describe, expect, it } from 'vitest'
import { handle } from '../../../src/http/app.ts'

function get(path: string, variables: object = {}): Response | Promise<Response> {
  const request = new Request(`https://rigel.example${path}`, { redirect: 'manual' })
  return handle(request, { ...env, ...variables }, createExecutionContext())
}

const PAGE_FILES = [
  '/_rig/',
  '/_rig/index.html',
  '/_rig/page.js',
  '/_rig/page.css',
  '/_rig/api.html',
  '/_rig/swagger-ui.js',
]

it.each(['client', 'client-tabs', 'client-react'])('the types of %s are TypeScript', async (name) => {
  const response = await get(`/_rig/${name}.d.ts`)
  await response.body?.cancel()
  expect([response.status, response.headers.get('content-type')]).toEqual([
    200,
    'application/typescript; charset=utf-8',
  ])
})

describe('the playground', () => {
  it.each([...PAGE_FILES, '/_rig'])('%s is not there unless it is switched on', async (path) => {
    const response = await get(path)
    expect([response.status, await response.json()]).toEqual([404, { message: 'Not Found' }])
  })

  it.each([{ PLAYGROUND: 'true' }, { DEV_MODE: 'true' }])(
    'is served with %j, with security headers',
    async (variables) => {
      for (const path of PAGE_FILES) {
        const response = await get(path, variables)
        await response.body?.cancel()
        expect([path, response.status]).toEqual([path, 200])
        expect(response.headers.get('content-security-policy')).toContain("frame-ancestors 'none'")
        expect(response.headers.get('content-security-policy')).toContain("default-src 'none'; script-src 'self'")
        expect(response.headers.get('x-content-type-options')).toBe('nosniff')
        expect(response.headers.get('referrer-policy')).toBe('no-referrer')
        expect(response.headers.get('access-control-allow-origin')).toBeNull()
      }
      const redirect = await get('/_rig', variables)
      expect([redirect.status, redirect.headers.get('location')]).toEqual([308, '/_rig/'])
    },
  )
})

it.each(['/_rig/client.js', '/_rig/client-tabs.js', '/_rig/proxy.schema.json', '/_rig/asyncapi.json'])(
  '%s is always served, to pages of any origin',
  async (path) => {
    const response = await get(path)
    await response.body?.cancel()
    expect([response.status, response.headers.get('access-control-allow-origin')]).toEqual([200, '*'])
    expect(response.headers.get('x-content-type-options')).toBe('nosniff')
  },
)

it('a file that is not there goes to the API gateway', async () => {
  expect((await get('/_rig/no.js', { PLAYGROUND: 'true' })).status).toBe(404)
})
