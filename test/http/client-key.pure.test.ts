import { describe, expect, it } from 'vitest'
import { clientKey } from '../../src/http/request/client-key.ts'

describe('a client', () => {
  it.each([
    ['192.0.2.1', '192.0.2.1'],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2'],
    ['2001:db8:1:2::6', '2001:db8:1:2'],
    ['2001:db8::6', '2001:db8:0:0'],
    ['::1', '0:0:0:0'],
    [null, 'unknown'],
  ])('with the address %s is %s', (address, key) => expect(clientKey(address)).toBe(key))
})
