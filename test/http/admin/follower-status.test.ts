// A file of its own: what the Directory knows of followers must be only what this test made known.
import { env } from 'cloudflare:workers'
import { expect, it } from 'vitest'
import { fetchRigel } from '../../support/gateway-client.ts'

it('lists followers by topic and partition, however they became known', async () => {
  await env.EMBEDDED_LOG.getByName('rig/3').nudge()
  const headers = { authorization: 'Bearer an-internal-token-of-the-tests' }
  const response = await fetchRigel('/_rig/api/v3/followers', { headers })
  const { followers } = await response.json<{ followers: { topic: string; partition: number }[] }>()
  const of = (topic: string) => [0, 1, 2, 3].map((partition) => `${topic}/${partition}`)
  const places = followers.map(({ topic, partition }) => `${topic}/${partition}`)
  expect(places).toEqual([...of('rig'), ...of('rig-proxy-response')])
})
