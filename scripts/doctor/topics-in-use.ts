// Lists the Kafka topics that a configuration reads and writes, and why. Pure. Called by doctor.ts.
import { parseDefinitions } from '../../src/api-definitions/parse-definitions.ts'
import type { Route } from '../../src/api-definitions/api-route.ts'
import type { Config } from '../../src/config/parse-config.ts'
import { sourceOf } from '../../src/core/events/topic-source.ts'
import { definitionEnvOf } from '../../src/config/proxy.ts'

export interface TopicUse {
  readonly topic: string
  readonly access: 'read' | 'write'
  /** The variable or route that names it. */
  readonly by: string
  /** True if Rigel cannot work without the topic; otherwise only the part in `by` cannot. */
  readonly isVital: boolean
}

/** Returns the active routes of proxy.json or PROXY_CONFIG. */
export function routesOf(config: Config, env: object): readonly Route[] {
  const parsed = parseDefinitions(config.proxy.definitions, definitionEnvOf(env))
  return parsed.ok ? parsed.value.flatMap(({ routes }) => routes) : []
}

export function topicsInUse({ audit, kafka, proxy }: Config, routes: readonly Route[]): readonly TopicUse[] {
  const waitsForKafka = routes.some(({ responseFrom }) => responseFrom === 'kafka')
  const uses: TopicUse[] = [
    ...kafka.topics.map((topic) => use(topic, 'read', 'KAFKA_SOURCE_TOPICS', true)),
    ...proxy.responseTopics
      .filter(() => waitsForKafka)
      .map((topic) => use(topic, 'read', 'PROXY_KAFKA_RESPONSE_TOPICS', false)),
    ...kafka.topics.slice(0, 1).map((topic) => use(topic, 'write', 'POST /_rig/v1/events', false)),
    use(kafka.deadLetterTopic, 'write', 'KAFKA_DEAD_LETTER_TOPIC', true),
    ...(proxy.requestLog.includes('kafka') ? [use(proxy.requestLogTopic, 'write', 'REQUEST_LOG', false)] : []),
    ...(audit.topic === null ? [] : [use(audit.topic, 'write', 'AUDIT_LOG', false)]),
    ...routes.flatMap(({ api, id, target }) => {
      const isKafka = target.kind === 'publish' && sourceOf(target.topic).kind === 'kafka'
      return isKafka ? [use(target.topic, 'write', `the route ${api}/${id}`, false)] : []
    }),
  ]
  return uniqueUses(uses)
}

function use(topic: string, access: TopicUse['access'], by: string, isVital: boolean): TopicUse {
  return { topic, access, by, isVital }
}

function uniqueUses(uses: readonly TopicUse[]): readonly TopicUse[] {
  const byKey = new Map<string, TopicUse>()
  for (const each of uses) {
    const key = `${each.access} ${each.topic}`
    if (!byKey.has(key)) byKey.set(key, each)
  }
  return [...byKey.values()]
}
