// What `npm run migrate` makes of RIG's settings.
import { describe, expect, it } from 'vitest'
import documentation from '../../docs/migrating-from-rig.md?raw'
import { readYaml } from '../../scripts/migrate/read-settings.ts'
import { translate } from '../../scripts/migrate/translate.ts'
import { reasonWithout } from '../../scripts/migrate/without-counterpart.ts'
import { variableNames } from '../../src/config/parse-config.ts'

const noFile = () => undefined
const of = (
  variables: Record<string, string>,
  replicas: number | null = null,
  readFile: (path: string) => string | undefined = noFile,
) => translate({ variables, replicas }, readFile)
const API = [
  {
    id: 'a',
    name: 'a',
    version_data: { default: { endpoints: [{ id: 'x', method: 'GET', path_regex: '/x' }] } },
    proxy: { target_url: 'BOOKS_HOST', use_env: true, port: 80 },
  },
]

describe('settings are read from', () => {
  it('Helm values', () => {
    const values = {
      replicaCount: 3,
      deployment: { env: { KAFKA_BROKERS: 'a:1', INBOUND_PORT: 4000, KAFKA_SSL_ENABLED: true } },
    }
    expect(readYaml(values)).toEqual({
      variables: { KAFKA_BROKERS: 'a:1', INBOUND_PORT: '4000', KAFKA_SSL_ENABLED: 'true' },
      replicas: 3,
    })
  })

  it('a Kubernetes manifest, without what comes from elsewhere', () => {
    const env = [
      { name: 'CORS', value: '*' },
      { name: 'NODE_HOST', valueFrom: { fieldRef: {} } },
    ]
    const manifest = [{ kind: 'Service' }, { spec: { replicas: 2, template: { spec: { containers: [{ env }] } } } }]
    expect(readYaml(manifest)).toEqual({ variables: { CORS: '*' }, replicas: 2 })
  })

  it.each([[['CORS=*', 'EXTRACTORS={"a":"="}', 'FROM_HOST']], [{ CORS: '*', EXTRACTORS: '{"a":"="}' }]])(
    'a compose file: %j',
    (environment) => {
      expect(readYaml({ services: { rig: { environment } } }).variables).toEqual({ CORS: '*', EXTRACTORS: '{"a":"="}' })
    },
  )

  it.each([null, 'text', 5, [], {}])('nothing, if there is none: %j', (document) => {
    expect(readYaml(document)).toEqual({ variables: {}, replicas: null })
  })
})

describe('a translation', () => {
  it('carries over what Rigel has, and says why the rest has no counterpart', () => {
    const { carried, without } = of({
      KAFKA_SOURCE_TOPICS: 'a',
      INBOUND_PORT: '4000',
      CORS: '',
      KINESIS_APP_NAME: 's',
      X: '1',
    })
    expect(carried).toEqual({ KAFKA_SOURCE_TOPICS: 'a' })
    expect(without).toEqual([
      expect.stringMatching(/^INBOUND_PORT: the platform listens/),
      expect.stringMatching(/^KINESIS_APP_NAME: Rigel reads Kinesis and stores its positions/),
      "X: is neither RIG's nor Rigel's, and no API definition names it",
    ])
  })

  it('keeps what clients of RIG notice, and what it does without being told', () => {
    expect(of({}).compatible).toEqual({
      OWN_EVENTS_SPECVERSION: '0.2',
      WIDEN_UNKNOWN_CONSTRAINTS: 'true',
      LONGPOLLING_WAIT_SECONDS: '5',
      SUBMISSION_CHECK: 'NO_CHECK',
    })
    expect(
      of({ SUBMISSION_CHECK: 'jwt_validation', KAFKA_BROKERS: 'a:1', NATS_SERVERS: 'nats://a:4222' }).compatible,
    ).toEqual({
      OWN_EVENTS_SPECVERSION: '0.2',
      WIDEN_UNKNOWN_CONSTRAINTS: 'true',
      LONGPOLLING_WAIT_SECONDS: '5',
      KAFKA_PARTITIONER: 'rig',
      NATS_MODE: 'core',
    })
  })

  it('knows RIG 1', () => {
    const { carried, compatible } = of({
      KAFKA_USER_FIELD: 'username',
      JWT_USER_FIELD: 'user',
      JWT_ROLES_FIELD: '/roles',
    })
    expect(carried).toEqual({ RECIPIENTS: '{"*":"/username"}', JWT_USER_FIELD: '/user', JWT_ROLES_FIELD: '/roles' })
    expect(compatible['PHOENIX_LEGACY_PATHS']).toBe('true')
  })

  it('carries over what RIG 1 named otherwise, and no consumer group of RIG', () => {
    const settings = { KAFKA_HOSTS: 'old:9092', KAFKA_ENABLED: 'true', KAFKA_GROUP_ID: 'g', KAFKA_CONSUMER_GROUP: 'g' }
    const { carried, compatible, without } = of(settings)
    expect(carried).toEqual({ KAFKA_BROKERS: 'old:9092' })
    expect(compatible).toMatchObject({ PHOENIX_LEGACY_PATHS: 'true', KAFKA_PARTITIONER: 'rig' })
    expect(without.map((line) => line.split(':')[0])).toEqual([
      'KAFKA_ENABLED',
      'KAFKA_GROUP_ID',
      'KAFKA_CONSUMER_GROUP',
    ])
    for (const both of [
      { ...settings, KAFKA_BROKERS: 'new:9092' },
      { KAFKA_BROKERS: 'new:9092', ...settings },
    ])
      expect(of(both).carried).toEqual({ KAFKA_BROKERS: 'new:9092' })
  })

  it('spreads the rate of all nodes over the shards', () => {
    expect(of({ MAX_CONNECTIONS_PER_MINUTE: '5000' }, 3).carried).toEqual({ MAX_CONNECTIONS_PER_MINUTE: '3750' })
    expect(of({ MAX_CONNECTIONS_PER_MINUTE: '5000' }).carried).toEqual({ MAX_CONNECTIONS_PER_MINUTE: '1250' })
  })

  it('puts the content of files in, with the variables that definitions name', () => {
    const files: Record<string, string> = { './apis.json': JSON.stringify(API, null, 2), 'e.json': '{}' }
    const settings = { PROXY_CONFIG_FILE: './apis.json', EXTRACTORS: 'e.json', BOOKS_HOST: 'books.example.com' }
    const { carried, problems } = of(settings, 1, (path) => files[path])
    expect(carried).toEqual({
      PROXY_CONFIG_FILE: JSON.stringify(API),
      EXTRACTORS: '{}',
      BOOKS_HOST: 'books.example.com',
    })
    expect(problems).toEqual([])
  })

  it('says which file it could not read', () => {
    expect(of({ EXTRACTORS: 'e.json' }).notes).toContain(
      'EXTRACTORS: e.json could not be read: set its content, as JSON',
    )
    expect(of({ EXTRACTORS: 'e.json' }, 1, () => 'no').notes).toContain(
      'EXTRACTORS: e.json is not JSON: set its content, as JSON',
    )
  })

  it('says what Workers cannot reach', () => {
    const { unreachable } = of({
      KAFKA_BROKERS: 'kafka:9092, broker.example.com:9092,10.1.2.3:9092',
      KAFKA_SCHEMA_REGISTRY_HOST: 'registry.default.svc.cluster.local:8081',
      SUBSCRIPTION_CHECK: 'http://localhost:9000/check',
      PROXY_CONFIG_FILE: JSON.stringify([{ ...API[0], proxy: { target_url: 'http://172.16.0.1', port: 80 } }]),
    })
    expect(unreachable).toEqual([
      'KAFKA_BROKERS: kafka is a private address',
      'KAFKA_BROKERS: 10.1.2.3 is a private address',
      'KAFKA_SCHEMA_REGISTRY_HOST: registry.default.svc.cluster.local is a private address',
      'SUBSCRIPTION_CHECK: localhost is a private address',
      'target_url: 172.16.0.1 is a private address',
    ])
  })

  it('says what Rigel would refuse', () => {
    expect(of({ KAFKA_BROKERS: 'broker' }).problems).toEqual([
      expect.stringMatching(/^KAFKA_BROKERS: .*must be host:port/),
    ])
  })
})

describe('the page about migrating', () => {
  const variables = documentation.slice(documentation.indexOf('\n## Variables'))
  const names = [...variables.matchAll(/^\| (.+?) \|/gm)].flatMap(([, cell = '']) =>
    [...cell.matchAll(/`([A-Z][A-Z0-9_]+\*?)`/g)].map(([, name = '']) => name),
  )

  it('names no variable of RIG that the script does not know', () => {
    expect(names.length).toBeGreaterThan(60)
    const special = ['KAFKA_HOSTS', 'KAFKA_USER_FIELD', 'MESSAGE_USER_FIELD']
    expect(
      names.filter(
        (name) => !variableNames.includes(name) && reasonWithout(name) === undefined && !special.includes(name),
      ),
    ).toEqual([])
  })
})
