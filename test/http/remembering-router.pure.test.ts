import { Hono } from 'hono'
import { expect, it } from 'vitest'
import { RememberingRouter } from '../../src/http/remembering-router.ts'

it('a remembered path goes through the same handlers, each time, by its method and with the parameters of other paths', async () => {
  const app = new Hono({ router: new RememberingRouter() })
    .use(async (c, next) => {
      c.header('x-through', 'yes')
      await next()
    })
    .get('/own/static', (c) => c.text('get'))
    .post('/own/static', (c) => c.text('post'))
    .get('/own/:name', (c) => c.text(`named ${c.req.param('name')}`))
    .all('*', (c) => c.text('other'))
  const ask = async (method: string, path: string) => {
    const response = await app.request(path, { method })
    return `${response.headers.get('x-through')} ${await response.text()}`
  }
  for (let time = 0; time < 3; time += 1) {
    expect(await ask('GET', '/own/static')).toBe('yes get')
    expect(await ask('POST', '/own/static')).toBe('yes post')
    expect(await ask('DELETE', '/own/static')).toBe('yes other')
    expect(await ask('GET', `/own/${time}`)).toBe(`yes named ${time}`)
  }
})

it('a route that is added later counts', () => {
  const router = new RememberingRouter<string>()
  router.add('GET', '/a', 'first')
  expect(router.match('GET', '/a')[0].map(([handler]) => handler)).toEqual(['first'])
  router.add('ALL', '*', 'second')
  expect(router.match('GET', '/a')[0].map(([handler]) => handler)).toEqual(['first', 'second'])
})
