// KAFKA_REST_BINDING: every request to the proxy goes by the binding, and none by the internet.
import { env } from 'cloudflare:workers'
import { expect, it } from 'vitest'
import { parseConfig } from '../../../src/config/parse-config.ts'
import { createKafkaLog } from '../../../src/kafka/create-kafka-log.ts'

it('requests to the proxy go by the binding that KAFKA_REST_BINDING names, with the credentials', async () => {
  const asked: string[] = []
  const binding = {
    fetch: async (input: RequestInfo | URL, init?: RequestInit) => {
      const request = new Request(input, init)
      asked.push(`${request.method} ${request.url} ${request.headers.get('authorization')}`)
      return Response.json([{ partition: 0 }, { partition: 1 }])
    },
  }
  const variables = {
    KAFKA_REST_URL: 'http://proxy.nowhere.example',
    KAFKA_REST_DIALECT: 'strimzi',
    KAFKA_REST_TOKEN: 'secret',
    KAFKA_REST_BINDING: 'PROXY',
    PROXY: binding,
  }
  const config = parseConfig(variables)
  if (!config.ok) throw new Error(config.reason.join())
  const log = createKafkaLog({ ...env, ...variables }, config.value)
  expect(await log.partitions('orders')).toEqual([0, 1])
  expect(asked).not.toEqual([])
  for (const request of asked) expect(request).toMatch(/^GET http:\/\/proxy\.nowhere\.example\/.* Bearer secret$/)
})
