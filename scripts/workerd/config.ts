// Makes workerd's configuration from wrangler's: the same Worker, with objects on the local disk, and workerd's own
// cron and queues. Pure. Called by scripts/build-workerd.ts.
// https://github.com/cloudflare/workerd/blob/main/src/workerd/server/workerd.capnp
import { Embed, toCapnp, type CapnpValue } from './capnp.ts'

/** The parts of wrangler's configuration that apply without Cloudflare. */
export interface WorkerConfig {
  readonly compatibility_date?: string | undefined
  readonly durable_objects: { readonly bindings: readonly { readonly name: string; readonly class_name: string }[] }
  readonly triggers: { readonly crons?: readonly string[] | undefined }
  readonly assets?: { readonly binding?: string | undefined; readonly html_handling?: string | undefined } | undefined
  readonly queues: {
    readonly producers?: readonly { readonly binding: string; readonly queue?: string | undefined }[] | undefined
    readonly consumers?: readonly QueueConsumer[] | undefined
  }
  readonly ratelimits?: readonly RateLimitBinding[] | undefined
}

interface QueueConsumer {
  readonly queue: string
  readonly max_batch_size?: number | undefined
  readonly max_batch_timeout?: number | undefined
  readonly max_retries?: number | undefined
  readonly dead_letter_queue?: string | undefined
}

interface RateLimitBinding {
  readonly name: string
  readonly simple: { readonly limit: number; readonly period: number }
}

/** Names of services, modules, sockets and folders. The folder of a class is part of the state: never change it. */
const RIGEL = 'rigel'
const STATE = 'state'
const stateKey = (className: string) => `${RIGEL}-${className}`

/** `variables`: names that are read from the process's environment when it starts. */
export function workerdConfig(wrangler: WorkerConfig, variables: readonly string[]): string {
  const date = wrangler.compatibility_date ?? ''
  const services: CapnpValue[] = [
    { name: RIGEL, worker: rigelWorker(wrangler, date, variables) },
    { name: 'assets', assets: { path: 'public', config: assetsConfig(wrangler), compatibilityDate: date } },
    { name: 'cron', worker: cronWorker(wrangler.triggers.crons ?? [], date) },
    { name: 'queues', worker: queuesWorker(wrangler.queues.consumers ?? [], date) },
    { name: STATE, disk: { path: STATE, writable: true } },
    // Upstreams and brokers are in the operator's own network.
    { name: 'internet', network: { allow: ['public', 'private'], tlsOptions: { trustBrowserCas: true } } },
  ]
  const socket = { name: 'http', http: { forwardedProtoHeader: 'X-Forwarded-Proto' }, service: RIGEL }
  const config = { services, sockets: [socket], logging: { structuredLogging: true } }
  return `# Made by \`npm run build:workerd\`; do not edit. Run it by ./rigel, which says where to listen and where the state is.
using Workerd = import "/workerd/workerd.capnp";

const config :Workerd.Config = ${toCapnp(config)};
`
}

function rigelWorker(wrangler: WorkerConfig, compatibilityDate: string, variables: readonly string[]): CapnpValue {
  const { bindings: objects } = wrangler.durable_objects
  const bindings: CapnpValue[] = [
    { name: wrangler.assets?.binding ?? 'ASSETS', service: { name: 'assets', entrypoint: 'AssetWorker' } },
    ...objects.map(({ class_name, name }) => ({ name, durableObjectNamespace: class_name })),
    ...(wrangler.queues.producers ?? []).map(({ binding, queue = '' }) => ({
      name: binding,
      queue: { name: 'queues', props: { json: JSON.stringify({ queue }) } },
    })),
    ...(wrangler.ratelimits ?? []).map(rateLimit),
    ...variables.map((name) => ({ name, fromEnvironment: name })),
  ]
  return {
    modules: [{ name: 'main.js', esModule: new Embed('main.js') }],
    compatibilityDate,
    bindings,
    cacheApiOutbound: { name: RIGEL, entrypoint: 'ResponseCache' },
    ...storage(objects.map(({ class_name }) => class_name)),
  }
}

function rateLimit({ name, simple }: RateLimitBinding): CapnpValue {
  const json = JSON.stringify({ name, rule: { limit: simple.limit, periodSeconds: simple.period } })
  return { name, service: { name: RIGEL, entrypoint: 'RateLimit', props: { json } } }
}

function assetsConfig({ assets }: WorkerConfig): string {
  return JSON.stringify({ html_handling: assets?.html_handling ?? 'none' })
}

/** workerd's cron: an object whose alarm is the schedule. */
function cronWorker(crons: readonly string[], compatibilityDate: string): CapnpValue {
  return {
    modules: [{ name: 'cron.js', bundled: '/workerd/cron.js' }],
    compatibilityDate,
    compatibilityFlags: ['service_binding_extra_handlers'],
    bindings: [
      { name: 'SCHEDULE', durableObjectNamespace: 'Schedule' },
      { name: 'CRONS', json: JSON.stringify({ RIGEL: crons }) },
      { name: 'RIGEL', service: RIGEL },
    ],
    ...storage(['Schedule']),
  }
}

/** workerd's queues: objects whose rows are the messages. */
function queuesWorker(consumers: readonly QueueConsumer[], compatibilityDate: string): CapnpValue {
  const settings = consumers.map(({ queue, ...consumer }) => [
    queue,
    {
      consumer: 'RIGEL',
      maxBatchSize: consumer.max_batch_size,
      maxBatchTimeout: consumer.max_batch_timeout,
      maxRetries: consumer.max_retries,
      deadLetterQueue: consumer.dead_letter_queue,
    },
  ])
  return {
    modules: [{ name: 'queues.js', bundled: '/workerd/queues.js' }],
    compatibilityDate,
    compatibilityFlags: ['service_binding_extra_handlers'],
    bindings: [
      { name: 'SHARD', durableObjectNamespace: 'QueueShard' },
      { name: 'CONSUMERS', json: JSON.stringify(Object.fromEntries(settings)) },
      { name: 'RIGEL', service: RIGEL },
    ],
    ...storage(['QueueShard']),
  }
}

function storage(classNames: readonly string[]) {
  return {
    durableObjectNamespaces: classNames.map((className) => ({
      className,
      uniqueKey: stateKey(className),
      enableSql: true,
    })),
    durableObjectStorage: { localDisk: STATE },
  }
}
