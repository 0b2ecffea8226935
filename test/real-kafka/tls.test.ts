// KAFKA_SSL_ENABLED, from workerd to a broker with TLS and SASL: it works where the authority is known and the name is
// right, and is refused with a clear reason where not. Run: npm run test:kafka
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { connect } from 'node:tls'
import { user } from '../../scripts/kafka/properties.ts'
import { Rigel, until } from '../e2e/rigel.ts'
import { makeCertificates, type Certificates } from './certificates.ts'
import { BROADCAST } from './events.ts'
import { INTERNAL_TOKEN, RigelOnKafka } from './rigel-on-kafka.ts'

const PORT = 29_692
const folder = mkdtempSync(join(tmpdir(), 'rigel-tls-'))
const secure = { KAFKA_SSL_ENABLED: 'true', KAFKA_SASL: `scram-sha-256:${user.username}:${user.password}` }

let certificates: Certificates
let rigelOnKafka: RigelOnKafka

/** What miniflare trusts besides public authorities, as of the next start. */
function trust(caFile: string | undefined): void {
  if (caFile === undefined) delete process.env['NODE_EXTRA_CA_CERTS']
  else process.env['NODE_EXTRA_CA_CERTS'] = caFile
}

async function healthOf(rigel: Rigel): Promise<string> {
  const headers = { authorization: `Bearer ${INTERNAL_TOKEN}` }
  const response = await fetch(`${rigel.origin}/_rig/api/health`, { headers })
  return `${response.status} ${await response.text()}`
}

/** There is a broker, and its certificate is one for `localhost`: what is refused is refused for what it is. */
async function assertListens(host: string): Promise<void> {
  const ca = readFileSync(certificates.caFile)
  const socket = connect({ host, port: PORT + 2, ca, servername: 'localhost' })
  await once(socket, 'secureConnect')
  socket.destroy()
}

/** Rigel by itself, until its health says why it cannot follow. */
async function assertRefused(brokers: string, reason: RegExp): Promise<void> {
  const rigel = await Rigel.start({ ...secure, KAFKA_BROKERS: brokers, INTERNAL_TOKEN })
  let health = ''
  try {
    await until('health tells the reason', async () => reason.test((health = await healthOf(rigel))), 20_000)
  } catch (error) {
    throw new Error(`health is: ${health}`, { cause: error })
  } finally {
    await rigel.end()
  }
}

void describe('a broker with TLS', () => {
  before(async () => {
    certificates = makeCertificates(folder)
    trust(certificates.caFile)
    const { keyStore, password } = certificates
    const cluster = { nodes: 1, port: PORT, partitions: 2, sasl: true, tls: { keyStore, password } }
    rigelOnKafka = await RigelOnKafka.start(cluster, ({ brokers }) => ({ ...secure, KAFKA_BROKERS: brokers.tls }))
  })
  after(async () => {
    trust(undefined)
    await rigelOnKafka?.end()
    rmSync(folder, { recursive: true, force: true })
  })

  void test('is followed, and produced to', async () => {
    await rigelOnKafka.connectClients()
    const event = { specversion: '1.0', id: 'tls', source: '/t', type: BROADCAST, data: { key: 'tls', n: 1 } }
    const response = await fetch(`${rigelOnKafka.rigel.origin}/_rig/v1/events`, {
      method: 'POST',
      headers: { 'content-type': 'application/cloudevents+json' },
      body: JSON.stringify(event),
    })
    assert.equal(response.status, 202, await response.text())
    await rigelOnKafka.settle()
  })

  void test('is refused if nobody that is known vouches for it, and health says so', async () => {
    await assertListens('localhost')
    trust(undefined)
    await assertRefused(rigelOnKafka.kafka.brokers.tls, /^503 rig.*Kafka: no TLS connection to localhost:.*certificate/)
  })

  void test('is refused by another name than its certificate has', async () => {
    await assertListens('127.0.0.1')
    trust(certificates.caFile)
    await assertRefused(`127.0.0.1:${PORT + 2}`, /^503 rig.*Kafka: no TLS connection to 127.0.0.1:.*certificate/)
  })
})
