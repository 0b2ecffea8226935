import { expect, it } from 'vitest'
import { hostnameOf } from '../../../src/kafka/protocol/socket-port.ts'

it.each([
  ['kafka-1.example.com', 'kafka-1.example.com'],
  ['127.0.0.1', '127.0.0.1'],
  ['::1', '[::1]'],
  ['2001:db8::a', '[2001:db8::a]'],
  ['[2001:db8::a]', '[2001:db8::a]'],
])('the platform connects to %s as %s', (host, hostname) => {
  expect(hostnameOf(host)).toBe(hostname)
})
