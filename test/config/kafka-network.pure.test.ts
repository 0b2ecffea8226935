import { expect, it } from 'vitest'
import { parseConfig } from '../../src/config/parse-config.ts'

const VARS = { KAFKA_BROKERS: '10.0.0.1:9092', KAFKA_VPC_NETWORK: 'NET', KAFKA_SASL: 'plain:rigel:secret' }
const NET = { connect: () => undefined }

it('brokers in a private network are reached through the binding that KAFKA_VPC_NETWORK names', () => {
  const config = parseConfig({ ...VARS, NET })
  expect(config.ok && config.value.kafka.brokers?.vpcNetwork).toBe('NET')
})

it.each([
  [{}, 'KAFKA_VPC_NETWORK: must name a vpc_networks binding of wrangler.toml, and there is none called NET'],
  [{ NET, KAFKA_SSL_ENABLED: 'true' }, 'KAFKA_VPC_NETWORK: cannot be used with KAFKA_SSL_ENABLED'],
  [{ NET, KAFKA_BROKERS: '' }, 'KAFKA_VPC_NETWORK: needs KAFKA_BROKERS'],
])('%j is refused', (more, problem) => {
  const config = parseConfig({ ...VARS, ...more })
  expect(config.ok ? [] : config.reason.join()).toContain(problem)
})
