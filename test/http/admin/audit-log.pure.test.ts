// What the audit log says of a request to the internal API, and what of a user remains after an erasure.
import { describe, expect, it } from 'vitest'
import { snippetOf } from '../../../scripts/fences.ts'
import internalApi from '../../../docs/internal-api.md?raw'
import { parseConfig } from '../../../src/config/parse-config.ts'
import { fingerprintOf, toAuditEntry } from '../../../src/http/admin/audit-entry.ts'
import { remainingOf } from '../../../src/http/admin/erasure-report.ts'

function entryOf(method: string, path: string, status = 200, location: string | null = null) {
  const request = new Request(`https://rigel.test/_rig/api${path}`, {
    method,
    headers: { 'cf-connecting-ip': '192.0.2.1' },
  })
  return toAuditEntry(request, path.replace(/\?.*/, ''), { status, location }, 'token 00000000')
}

describe('the audit log', () => {
  it.each([
    ['DELETE', '/v3/connections?user=alice&limit=3', { action: 'DELETE /v3/connections', target: { user: 'alice' } }],
    ['DELETE', '/v3/connections/secret-of-a-client', { action: 'DELETE /v3/connections/…', target: {} }],
    [
      'DELETE',
      '/v1/users/alice?revoke_seconds=60',
      { action: 'DELETE /v1/users/alice', target: { revoke_seconds: '60' } },
    ],
    ['POST', '/v3/dead-letters/replay', { action: 'POST /v3/dead-letters/replay', target: {} }],
  ])('has %s %s', (method, path, expected) => {
    expect(entryOf(method, path)).toEqual({ ...expected, by: 'token 00000000', address: '192.0.2.1', status: 200 })
  })

  it('writes what docs/internal-api.md shows', () => {
    const written = entryOf('DELETE', '/v3/connections?user=alice')
    const shown = snippetOf('docs/internal-api.md#audit-entry', internalApi)
    expect(JSON.stringify({ ...written, by: 'token 5e884898' })).toBe(shown)
  })

  it('has what was made, by its location, and what was refused', () => {
    const made = '/_rig/api/v3/session-blacklist/session-17'
    expect(entryOf('POST', '/v3/session-blacklist', 201, made)).toMatchObject({ target: { made }, status: 201 })
    expect(entryOf('PUT', '/v3/apis/books', 412)).toMatchObject({ action: 'PUT /v3/apis/books', status: 412 })
  })

  it('has what an answer says was changed: dead letters, and which of them were edited', () => {
    const request = new Request('https://rigel.test/_rig/api/v3/dead-letters/replay', { method: 'POST' })
    const changed = { dead_letters: ['0/17', '0/18'], edited: ['0/18'] }
    const answer = { status: 202, location: null, changed }
    expect(toAuditEntry(request, '/v3/dead-letters/replay', answer, 'token')).toMatchObject({ target: changed })
  })

  it.each([
    ['GET', '/v3/users'],
    ['POST', '/v3/messages'],
    ['POST', '/v2/responses'],
    ['POST', '/v1/topics/orders/try'],
  ])('does not have what only reads, publishes or answers: %s %s', (method, path) => {
    expect(entryOf(method, path)).toBeUndefined()
  })

  it('tells tokens apart by a fingerprint', async () => {
    const [one, other] = [await fingerprintOf('a-token-of-16-letters'), await fingerprintOf('b-token-of-16-letters')]
    expect(one).toMatch(/^token [\da-f]{8}$/)
    expect(other).not.toBe(one)
  })
})

describe('what remains of an erased user', () => {
  function remaining(variables: Record<string, string>, shared = 0, isRevoked = true) {
    const config = parseConfig(variables)
    if (!config.ok) throw new Error(config.reason.join())
    return remainingOf(config.value, { shared, isRevoked }).map(({ until, where }) => `${where}: ${until}`)
  }

  it('is what the topics hold, by Kafka’s retention', () => {
    const variables = {
      KAFKA_BROKERS: 'kafka:9092',
      KAFKA_SOURCE_TOPICS: 'orders',
      REQUEST_LOG: 'kafka',
      AUDIT_LOG: 'kafka',
    }
    const lines = remaining(variables)
    for (const topic of ['orders', 'rig-proxy-response', 'rig-dead-letter', 'rig-request-log', 'rigel-audit-log']) {
      expect(lines.find((line) => line.startsWith(`topic ${topic}: `))).toContain('tombstone')
    }
  })

  it('is what the embedded log holds, by its own retention', () => {
    expect(remaining({ KAFKA_LOG_RETENTION_SECONDS: '60' })[0]).toBe('topic rig: KAFKA_LOG_RETENTION_SECONDS (60)')
  })

  it('is what each source holds, by its own retention', () => {
    const lines = remaining({ NATS_SERVERS: 'nats://nats:4222', NATS_SOURCE_TOPICS: 'orders' })
    expect(lines.find((line) => line.startsWith('topic nats:orders: '))).toContain('nats stream purge')
    expect(lines.find((line) => line.startsWith('topic rig-dead-letter: '))).not.toContain('nats')
  })

  it('is the text of events that others got too, and a token that is still valid', () => {
    expect(remaining({}, 0, true).join()).not.toMatch(/tokens: /)
    expect(remaining({}, 2, false).join()).toMatch(/logs of shards: LOG_RETENTION_SECONDS \(3600\).*tokens: it expires/)
  })
})
