// Where an instance is asked for, whatever its proxy says it is.
import { expect, it } from 'vitest'
import { resolveInstanceUrl } from '../../../src/kafka/rest/consumer-instance.ts'

const CONFIGURED = 'https://kafka.example.com/rest/consumers/rigel/instances/a'
const HOSTS = ['rest-1.example.com', 'rest-2.example.com:8443']

it.each([
  [undefined, CONFIGURED],
  ['http://10.0.0.7:8082/consumers/rigel/instances/a', CONFIGURED],
  ['http://kafka.example.com/consumers/rigel/instances/a', CONFIGURED],
  ['not a URL', CONFIGURED],
  ['http://rest-1.example.com.evil.example/consumers/rigel/instances/a', CONFIGURED],
  ['https://rest-1.example.com@evil.example/consumers/rigel/instances/a', CONFIGURED],
  ['https://rest-2.example.com/consumers/rigel/instances/a', CONFIGURED],
  ['http://rest-1.example.com/consumers/rigel/instances/a/', 'https://rest-1.example.com/consumers/rigel/instances/a'],
  [
    'https://rest-2.example.com:8443/consumers/rigel/instances/a',
    'https://rest-2.example.com:8443/consumers/rigel/instances/a',
  ],
])('%s is asked for at %s', (baseUri, url) => {
  expect(resolveInstanceUrl(CONFIGURED, baseUri, HOSTS)).toBe(url)
})
