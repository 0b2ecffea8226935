// Checks the variables and bindings of one environment. Finds before a deploy the problems that /_rig/health would list
// afterwards. Pure. Called by doctor.ts.
import { missingBindings } from '../../src/config/bindings.ts'
import { parseConfig, warningsOf, type Config } from '../../src/config/parse-config.ts'
import { ok, problem, warning, type Finding } from './finding.ts'

/** The parts of wrangler's configuration that are checked. */
export interface WranglerConfig {
  readonly vars: Readonly<Record<string, unknown>>
  readonly durable_objects: { readonly bindings: readonly { readonly name: string }[] }
  readonly services?: readonly { readonly binding: string }[] | undefined
  readonly ratelimits?: readonly { readonly name: string }[] | undefined
  readonly vpc_networks?: readonly { readonly binding: string }[] | undefined
  readonly triggers: { readonly crons?: readonly string[] | undefined }
  readonly assets?: { readonly binding?: string | undefined } | undefined
  readonly queues: {
    readonly producers?: readonly { readonly binding: string; readonly queue?: string | undefined }[] | undefined
    readonly consumers?: readonly { readonly queue: string }[] | undefined
  }
  readonly observability?: { readonly redact_query_string?: boolean | undefined } | undefined
}

/** `isDeployed`: the environment is to be deployed; otherwise it is for the developer's machine. */
export interface Checked {
  readonly config: Config | undefined
  readonly findings: readonly Finding[]
}

/** Returns what the Worker would find in `env`: variables, and a stand-in for each binding. */
export function toEnv(wrangler: WranglerConfig, variables: Readonly<Record<string, string>>): object {
  const bind = (names: readonly string[], binding: object) => names.map((name) => [name, binding] as const)
  return {
    ...wrangler.vars,
    ...variables,
    ...Object.fromEntries([
      ...bind(
        wrangler.durable_objects.bindings.map(({ name }) => name),
        { idFromName: noop },
      ),
      ...bind(wrangler.services?.map(({ binding }) => binding) ?? [], { fetch: noop }),
      ...bind(wrangler.ratelimits?.map(({ name }) => name) ?? [], { limit: noop }),
      ...bind(wrangler.vpc_networks?.map(({ binding }) => binding) ?? [], { connect: noop }),
    ]),
  }
}

export function checkVariables(env: object, isDeployed: boolean): Checked {
  const parsed = parseConfig(env)
  const problems = [...(parsed.ok ? [] : parsed.reason), ...missingBindings(env)]
  const findings: Finding[] = [
    ...problems.map((line) => withTodo(problem, line, 'correct it: until then every route answers 500')),
    ...warningsOf(env).map((line) => withTodo(warning, line, 'rename it, or remove it')),
  ]
  if (problems.length === 0) findings.push(ok('variables', 'valid, and every Durable Object binding is there'))
  if (parsed.ok) findings.push(...unsafe(parsed.value, isDeployed), ...closed(parsed.value))
  return { config: parsed.ok ? parsed.value : undefined, findings }
}

/** `NAME: what is wrong` */
function withTodo(make: typeof problem, line: string, todo: string): Finding {
  const [subject = '', ...text] = line.split(': ')
  return make(subject, text.join(': '), todo)
}

function unsafe(config: Config, isDeployed: boolean): readonly Finding[] {
  const found: Finding[] = []
  if (isDeployed && config.devMode) {
    found.push(problem('DEV_MODE', 'is set: anybody gets a token for any user', 'set it on your own machine only'))
  }
  if (isDeployed && config.submissionCheck === 'no_check') {
    found.push(
      warning(
        'SUBMISSION_CHECK',
        'is NO_CHECK: everybody on the internet may publish events to your users',
        'set JWT_VALIDATION',
      ),
    )
  }
  return found
}

function closed({ internalTokens, jwt }: Config): readonly Finding[] {
  const found: Finding[] = []
  if (jwt.secret === '' && jwt.jwksUrl === null) {
    found.push(
      warning('JWT_SECRET_KEY', 'is not set, and neither is JWT_JWKS_URL: every token is refused', 'set one of both'),
    )
  }
  if (internalTokens.length === 0) {
    found.push(
      warning('INTERNAL_TOKEN', 'is not set: the internal API with metrics is closed', 'set a secret, if you need it'),
    )
  }
  return found
}

/** Finds missing settings that do not make a deploy fail. */
export function checkWrangler({ assets, observability, queues, triggers }: WranglerConfig): readonly Finding[] {
  const found: Finding[] = []
  if ((triggers.crons ?? []).length === 0) {
    found.push(
      warning(
        'triggers.crons',
        'there is none: after a pause nobody wakes the followers of a remote Kafka',
        'set crons = ["* * * * *"]',
      ),
    )
  }
  if (assets?.binding !== 'ASSETS') {
    found.push(
      warning(
        'assets',
        'there is no binding ASSETS: /_rig/client.js is not served',
        'repeat [assets] for this environment',
      ),
    )
  }
  if (observability?.redact_query_string !== true) {
    found.push(
      warning(
        'observability.redact_query_string',
        'is not true: tokens in the query strings of EventSource and WebSocket get into the logs',
        'set it',
      ),
    )
  }
  found.push(...unconsumed(queues))
  return found
}

function unconsumed({ producers = [], consumers = [] }: WranglerConfig['queues']): readonly Finding[] {
  return producers
    .filter(({ queue }) => !consumers.some((consumer) => consumer.queue === queue))
    .map(({ binding, queue = '' }) =>
      problem(
        'queues',
        `${binding} sends to ${queue}, which has no consumer: its events wait for ever`,
        'add a consumer',
      ),
    )
}

function noop(): void {}
