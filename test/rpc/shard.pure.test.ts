import { describe, expect, it } from 'vitest'
import { readConnect, stampConnect } from '../../src/rpc/shard.ts'
import type { ConnectRequest } from '../../src/core/identity/principal.ts'

const CONNECT: ConnectRequest = {
  transport: 'sse',
  principal: { user: 'Zoë 😀 100%25', session: null, expSeconds: 1.5 },
  subscriptions: [{ eventType: 'größer\n\u007f', oneOf: [{ n: { gt: { number: '12345678901234567890' } } }] }],
  lastEventId: '0.abc:12',
  protocol: null,
  allowOrigin: '*',
}

describe('the request that opens a connection at a shard', () => {
  it('carries every text', () => {
    expect(readConnect(new Request(...stampConnect(CONNECT)))).toEqual(CONNECT)
  })

  it('carries a token in a header that logs of the platform redact, or says that there is none', () => {
    for (const authorization of ['Bearer secret', null, undefined]) {
      const request = new Request(...stampConnect({ ...CONNECT, authorization }))
      expect(readConnect(request)).toEqual({ ...CONNECT, authorization })
      expect(request.headers.get('rigel-connect')).not.toContain('secret')
      // Not an empty header: the runtime drops those between a Worker and an object.
      expect(request.headers.get('authorization')).toBe(authorization ?? null)
    }
  })

  it('is read by versions that decode percent escapes', () => {
    const header = new Request(...stampConnect(CONNECT)).headers.get('rigel-connect') ?? ''
    expect(JSON.parse(decodeURIComponent(header))).toEqual(CONNECT)
  })

  it('is read from versions that write percent escapes', () => {
    const headers = { 'rigel-connect': encodeURIComponent(JSON.stringify(CONNECT)) }
    expect(readConnect(new Request('https://shard/sse', { headers }))).toEqual(CONNECT)
  })

  it.each(['{}', '[]', 'null', '%', '{"transport":"sse"}', '{"transport":"telnet","principal":{}}'])(
    'is refused if it is %s',
    (header) => {
      expect(readConnect(new Request('https://shard/sse', { headers: { 'rigel-connect': header } }))).toBeUndefined()
    },
  )
})
