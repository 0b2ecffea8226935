// Translates RIG's variables to Rigel's. Adds variables that keep RIG's behaviour, and reports variables without a
// counterpart and obstacles. Pure. Called by scripts/migrate.ts.
import { parseConfig, variableNames } from '../../src/config/parse-config.ts'
import { isPrivateHost } from '../../src/config/env-fields.ts'
import type { RigSettings } from './read-settings.ts'
import { reasonWithout } from './without-counterpart.ts'

export interface Translation {
  /** Carried over with the same meaning, in RIG's order. */
  readonly carried: Readonly<Record<string, string>>
  /** Set so that frontends and services notice no difference; each may be removed later. */
  readonly compatible: Readonly<Record<string, string>>
  /** `NAME: what to know`. */
  readonly notes: readonly string[]
  /** `NAME: why there is none, and what to do instead`. */
  readonly without: readonly string[]
  /** Obstacles on Cloudflare, such as private addresses. None of them exists when Rigel is self-hosted. */
  readonly unreachable: readonly string[]
  /** Rigel would refuse the result, with these reasons. */
  readonly problems: readonly string[]
}

const DEFAULT_SHARDS = 4
/** RIG polled 10 times every 500 ms. */
const RIG_POLL_SECONDS = '5'
const FILES = ['EXTRACTORS', 'PROXY_CONFIG_FILE']
/** Variables with the same name in RIG and Rigel, but another meaning or another form. */
const REINTERPRETED = ['JWT_USER_FIELD', 'JWT_ROLES_FIELD', 'MAX_CONNECTIONS_PER_MINUTE']

/** Variables of RIG 1 that later versions renamed; a later name wins. */
const RENAMED: Readonly<Record<string, string>> = { KAFKA_HOSTS: 'KAFKA_BROKERS' }

/** Settings of RIG 1, whose clients connect to /socket. */
const RIG_1 = ['KAFKA_HOSTS', 'KAFKA_USER_FIELD', 'MESSAGE_USER_FIELD', 'JWT_ROLES_FIELD', 'PRIVILEGED_ROLES']

/** `readFile` returns the text of a file that a variable names, or undefined. */
export function translate(
  { replicas, variables }: RigSettings,
  readFile: (path: string) => string | undefined,
): Translation {
  const carried: Record<string, string> = {}
  const notes: string[] = []
  const without: string[] = []
  const unknown: string[] = []
  for (const [name, value] of Object.entries(variables)) {
    const reason = reasonWithout(name)
    if (value === '') continue
    const renamed = RENAMED[name]
    if (renamed !== undefined) {
      carried[renamed] ??= value
      continue
    }
    if (reason !== undefined) without.push(`${name}: ${reason}`)
    else if (FILES.includes(name)) carryFile(name, value, readFile, carried, notes)
    else if (name === 'MESSAGE_USER_FIELD' || name === 'KAFKA_USER_FIELD') {
      carried['RECIPIENTS'] = JSON.stringify({ '*': `/${value}` })
    } else if (name === 'MAX_CONNECTIONS_PER_MINUTE') carryRate(value, replicas ?? 1, carried, notes)
    else if (REINTERPRETED.includes(name)) carried[name] = value.startsWith('/') ? value : `/${value}`
    else if (variableNames.includes(name)) carried[name] = value
    else unknown.push(name)
  }
  for (const name of unknown) {
    // A definition may take its host from a variable (`use_env`), or by Rigel's `env:NAME`.
    if (carried['PROXY_CONFIG_FILE']?.includes(name)) carried[name] = variables[name] ?? ''
    else without.push(`${name}: is neither RIG's nor Rigel's, and no API definition names it`)
  }
  const compatible = compatibility(variables, carried, notes)
  const parsed = parseConfig({ ...carried, ...compatible })
  return {
    carried,
    compatible,
    notes,
    without,
    unreachable: unreachableFrom(carried),
    problems: parsed.ok ? [] : parsed.reason,
  }
}

/** JSON is carried over as it is, a path by what the file holds. */
function carryFile(
  name: string,
  value: string,
  readFile: (path: string) => string | undefined,
  carried: Record<string, string>,
  notes: string[],
): void {
  if (/^\s*[[{]/.test(value)) {
    carried[name] = value
    return
  }
  const text = readFile(value)
  const json = text === undefined ? undefined : compact(text)
  if (json === undefined)
    notes.push(
      `${name}: ${value} ${text === undefined ? 'could not be read' : 'is not JSON'}: set its content, as JSON`,
    )
  else carried[name] = json
  if (name === 'PROXY_CONFIG_FILE')
    notes.push('PROXY_CONFIG_FILE: or copy the definitions to proxy.json, which is deployed with Rigel')
}

function compact(text: string): string | undefined {
  try {
    return JSON.stringify(JSON.parse(text))
  } catch {
    return undefined
  }
}

/** RIG counted per node, Rigel counts per shard. */
function carryRate(value: string, replicas: number, carried: Record<string, string>, notes: string[]): void {
  const perShard = Math.ceil((Number(value) * replicas) / DEFAULT_SHARDS)
  carried['MAX_CONNECTIONS_PER_MINUTE'] = String(perShard)
  notes.push(
    `MAX_CONNECTIONS_PER_MINUTE: ${value} on each of ${replicas} nodes is ${perShard} on each of ${DEFAULT_SHARDS} shards; choose it anew if you change SHARDS`,
  )
}

function compatibility(
  rig: Readonly<Record<string, string>>,
  carried: Readonly<Record<string, string>>,
  notes: string[],
): Readonly<Record<string, string>> {
  const compatible: Record<string, string> = {
    OWN_EVENTS_SPECVERSION: '0.2',
    WIDEN_UNKNOWN_CONSTRAINTS: 'true',
    LONGPOLLING_WAIT_SECONDS: RIG_POLL_SECONDS,
  }
  if ((rig['SUBMISSION_CHECK'] ?? '') === '') {
    compatible['SUBMISSION_CHECK'] = 'NO_CHECK'
    notes.push(
      'SUBMISSION_CHECK: is open, as in RIG. On a public address anybody can publish: set JWT_VALIDATION as soon as publishers send tokens',
    )
  }
  if (carried['KAFKA_BROKERS'] !== undefined) {
    compatible['KAFKA_PARTITIONER'] = 'rig'
    notes.push('KAFKA_PARTITIONER: rig while RIG, or what RIG has written, is read beside Rigel; then remove it')
  }
  if (carried['NATS_SERVERS'] !== undefined) {
    compatible['NATS_MODE'] = 'core'
    notes.push('NATS_MODE: core, as RIG; remove it where a JetStream stream has the subjects: then nothing is lost')
  }
  if (RIG_1.some((name) => (rig[name] ?? '') !== '')) compatible['PHOENIX_LEGACY_PATHS'] = 'true'
  if (carried['JWT_SECRET_KEY'] === undefined)
    notes.push(
      'JWT_SECRET_KEY: is not set. Without a key every token is refused; RIG accepted those signed with the empty secret',
    )
  notes.push(
    'INTERNAL_TOKEN: set a secret of 16 characters or more; RIG’s port 4010 is /_rig/api in Rigel, and closed without this token',
  )
  return compatible
}

/** Workers reach public addresses only. */
function unreachableFrom(carried: Readonly<Record<string, string>>): readonly string[] {
  const found: string[] = []
  const check = (name: string, host: string) => {
    if (isPrivate(host)) found.push(`${name}: ${host} is a private address`)
  }
  for (const broker of (carried['KAFKA_BROKERS'] ?? '').split(',').filter((text) => text !== '')) {
    check('KAFKA_BROKERS', broker.trim().replace(/:\d+$/, ''))
  }
  const registry = carried['KAFKA_SCHEMA_REGISTRY_HOST']
  if (registry !== undefined) check('KAFKA_SCHEMA_REGISTRY_HOST', hostOf(registry))
  for (const server of (carried['NATS_SERVERS'] ?? '').split(',').filter((text) => text !== ''))
    check('NATS_SERVERS', hostOf(server.trim()))
  for (const name of ['SUBSCRIPTION_CHECK', 'SUBMISSION_CHECK']) {
    const value = carried[name] ?? ''
    if (value.includes('://')) check(name, hostOf(value))
  }
  const targets = new Set(
    [...(carried['PROXY_CONFIG_FILE'] ?? '').matchAll(/"target_url"\s*:\s*"([^"]+)"/g)].map(([, url]) =>
      hostOf(url ?? ''),
    ),
  )
  for (const host of targets) check('target_url', host)
  return found
}

function hostOf(text: string): string {
  const url = URL.parse(text.includes('://') ? text : `http://${text}`)
  return url?.hostname ?? text
}

/** Includes RFC 1918's addresses, which `isPrivateHost` does not. */
function isPrivate(host: string): boolean {
  return isPrivateHost(host) || /^(10\.|192\.168\.|172\.(1[6-9]|2\d|3[01])\.)/.test(host)
}
