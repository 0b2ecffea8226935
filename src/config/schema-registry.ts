// Variables of the schema registry: its URL, the credentials for it, and whether requests are written by its schemas.
import * as z from 'zod'
import { toBase64 } from '../core/bytes.ts'
import { exposesSecrets, HTTPS_RULE, integer, serviceUrl } from './env-fields.ts'

/** RIG's form: the scheme may be missing. */
const host = z
  .string()
  .transform((text) => (/^[a-z]+:\/\//i.test(text) ? text : `http://${text}`))
  .pipe(z.url({ protocol: /^https?$/, error: 'must be host:port, such as registry.example.com:8081' }))

/** The variables of the schema registry, as zod schemas. */
export const schemaRegistryVariables = {
  KAFKA_SERIALIZER: z.enum(['avro'], 'must be avro, or not set for JSON').optional(),
  KAFKA_SCHEMA_REGISTRY_HOST: host.optional(),
  KAFKA_SCHEMA_REGISTRY_URL: serviceUrl('https://registry.example.com').optional(),
  KAFKA_SCHEMA_REGISTRY_USERNAME: z.string().min(1).optional(),
  KAFKA_SCHEMA_REGISTRY_PASSWORD: z.string().min(1).optional(),
  KAFKA_SCHEMA_REGISTRY_TOKEN: z
    .string()
    .regex(/^[A-Za-z0-9._~+/=-]+$/, 'must be a bearer token')
    .optional(),
  KAFKA_SCHEMA_REGISTRY_TIMEOUT_MS: integer(5_000, 100, 30_000),
  KAFKA_LOG_SCHEMA: z.string().optional(),
}

type Variables = z.infer<z.ZodObject<typeof schemaRegistryVariables>>

/** The address of the schema registry, and the credentials for it. */
export interface RegistryConfig {
  /** Base URL, without a slash at its end. */
  readonly url: string
  /** Value of the `authorization` header of every request; null for none. */
  readonly authorization: string | null
  readonly timeoutMs: number
}

/** Returns the part of the configuration that concerns schemas. */
export function toSchemas(v: Variables) {
  const url = urlOf(v)
  const registry: RegistryConfig | null =
    url === undefined
      ? null
      : {
          url: url.href.replace(/\/+$/, ''),
          authorization: authorizationOf(v),
          timeoutMs: v.KAFKA_SCHEMA_REGISTRY_TIMEOUT_MS,
        }
  return {
    registry,
    /** How requests are written whose route names a schema; null for JSON. */
    serializer: v.KAFKA_SERIALIZER ?? null,
    /** The subject of the request log's schema; null if it is written as JSON. */
    logSubject: v.KAFKA_LOG_SCHEMA ?? null,
  }
}

/** Returns a problem for each combination of variables that cannot work. */
export function schemaRegistryContradictions(v: Variables): readonly string[] {
  const problems: string[] = []
  const url = urlOf(v)
  const [username, password] = [v.KAFKA_SCHEMA_REGISTRY_USERNAME, v.KAFKA_SCHEMA_REGISTRY_PASSWORD]
  const isAuthenticated = Boolean(username ?? password ?? v.KAFKA_SCHEMA_REGISTRY_TOKEN)
  if (v.KAFKA_SCHEMA_REGISTRY_HOST && v.KAFKA_SCHEMA_REGISTRY_URL) {
    problems.push('KAFKA_SCHEMA_REGISTRY_HOST: set either it or KAFKA_SCHEMA_REGISTRY_URL, not both')
  }
  if (v.KAFKA_SERIALIZER && url === undefined) {
    problems.push('KAFKA_SERIALIZER: needs KAFKA_SCHEMA_REGISTRY_URL (or KAFKA_SCHEMA_REGISTRY_HOST)')
  }
  if (Boolean(username) !== Boolean(password)) {
    problems.push('KAFKA_SCHEMA_REGISTRY_USERNAME: needs KAFKA_SCHEMA_REGISTRY_PASSWORD, and the other way round')
  }
  if (v.KAFKA_SCHEMA_REGISTRY_TOKEN && (username ?? password)) {
    problems.push('KAFKA_SCHEMA_REGISTRY_TOKEN: set either it or a user name and password, not both')
  }
  if (isAuthenticated && url === undefined) {
    problems.push('KAFKA_SCHEMA_REGISTRY_URL: must be set, because there are credentials for it')
  }
  if (url && (url.username !== '' || url.password !== '' || url.search !== '' || url.hash !== '')) {
    problems.push(
      'KAFKA_SCHEMA_REGISTRY_URL: must have no credentials, query or fragment: use KAFKA_SCHEMA_REGISTRY_USERNAME and KAFKA_SCHEMA_REGISTRY_PASSWORD',
    )
  }
  if (isAuthenticated && url && exposesSecrets(url)) problems.push(`KAFKA_SCHEMA_REGISTRY_URL: ${HTTPS_RULE}`)
  return problems
}

function urlOf(v: Variables): URL | undefined {
  const text = v.KAFKA_SCHEMA_REGISTRY_URL ?? v.KAFKA_SCHEMA_REGISTRY_HOST
  return text === undefined ? undefined : new URL(text)
}

function authorizationOf(v: Variables): string | null {
  if (v.KAFKA_SCHEMA_REGISTRY_TOKEN) return `Bearer ${v.KAFKA_SCHEMA_REGISTRY_TOKEN}`
  if (!v.KAFKA_SCHEMA_REGISTRY_USERNAME) return null
  // The password may have any character, so it is sent as UTF-8 (RFC 7617).
  const bytes = new TextEncoder().encode(`${v.KAFKA_SCHEMA_REGISTRY_USERNAME}:${v.KAFKA_SCHEMA_REGISTRY_PASSWORD}`)
  return `Basic ${toBase64(bytes)}`
}
