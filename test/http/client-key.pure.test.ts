import { describe, expect, it } from 'vitest'
import { clientKey, siteKey } from '../../src/http/request/client-key.ts'

describe('a client', () => {
  it.each([
    ['192.0.2.1', '192.0.2.1'],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2'],
    ['2001:db8:1:2::6', '2001:db8:1:2'],
    ['2001:db8::6', '2001:db8:0:0'],
    ['::1', '0:0:0:0'],
    // From a socket that listens for both.
    ['::ffff:192.0.2.1', '192.0.2.1'],
    [null, 'unknown'],
  ])('with the address %s is %s', (address, key) => expect(clientKey(address)).toBe(key))

  it.each([
    ['192.0.2.1', '192.0.2.1'],
    ['2001:db8:1:2::6', '2001:db8:1'],
    ['2001:db8:1:ffff::6', '2001:db8:1'],
    [null, 'unknown'],
  ])('with the address %s is of the site %s', (address, key) => expect(siteKey(address)).toBe(key))
})
