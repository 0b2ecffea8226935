// The variables of tracing, by OpenTelemetry's names: the collector, its headers, the service's name and the sampling ratio.
import * as z from 'zod'
import { exposesSecrets, HTTPS_RULE, serviceUrl } from '../env-fields.ts'

const HEADERS_RULE = 'must be such as "authorization=Bearer%20abc,x-team=rigel": name=value, separated by commas'
const RATIO_RULE = 'must be a number from 0 to 1, such as 0.01'

/** Names and percent-encoded values, as W3C baggage has them. */
const headers = z.string().transform((text, context): Readonly<Record<string, string>> => {
  const pairs = text.split(',').filter((pair) => pair.trim() !== '')
  const parsed = pairs.map((pair) => parseHeader(pair))
  if (parsed.some((pair) => pair === undefined)) {
    context.addIssue(HEADERS_RULE)
    return z.NEVER
  }
  return Object.fromEntries(parsed.filter((pair) => pair !== undefined))
})

function parseHeader(pair: string): readonly [name: string, value: string] | undefined {
  const at = pair.indexOf('=')
  const name = pair.slice(0, at).trim().toLowerCase()
  try {
    const value = decodeURIComponent(pair.slice(at + 1).trim())
    return at > 0 && /^[!#$%&'*+.^_`|~0-9a-z-]+$/.test(name) && /^[\x20-\x7e]*$/.test(value) ? [name, value] : undefined
  } catch {
    return undefined
  }
}

/** The variables of tracing, as zod schemas. */
export const tracingVariables = {
  OTEL_EXPORTER_OTLP_ENDPOINT: serviceUrl('https://collector.example.com:4318').optional(),
  OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: serviceUrl('https://collector.example.com:4318/v1/traces').optional(),
  OTEL_EXPORTER_OTLP_HEADERS: headers.default({}),
  OTEL_EXPORTER_OTLP_PROTOCOL: z
    .literal('http/json', 'must be http/json: Rigel exports traces as JSON, which collectors take at the same port')
    .default('http/json'),
  OTEL_SERVICE_NAME: z.string().max(255, 'must have at most 255 characters').default('rigel'),
  OTEL_TRACES_SAMPLER_ARG: z
    .string()
    .regex(/^(0(\.\d+)?|1(\.0+)?)$/, RATIO_RULE)
    .transform(Number)
    .default(1),
}

type Variables = z.infer<z.ZodObject<typeof tracingVariables>>

/** Where traces are exported to. */
export interface TracingConfig {
  /** The URL that spans are posted to. */
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
  readonly service: string
  /** The share of the traces started by Rigel that is recorded, 0 to 1. */
  readonly ratio: number
}

/** Returns null if no collector is configured: then nothing is recorded. */
export function toTracing(v: Variables): TracingConfig | null {
  const url = urlOf(v)
  if (url === null) return null
  return {
    url,
    headers: v.OTEL_EXPORTER_OTLP_HEADERS,
    service: v.OTEL_SERVICE_NAME,
    ratio: v.OTEL_TRACES_SAMPLER_ARG,
  }
}

/** OpenTelemetry appends the path to the common endpoint, and takes that of traces as it is. */
function urlOf(v: Variables): string | null {
  if (v.OTEL_EXPORTER_OTLP_TRACES_ENDPOINT !== undefined) return v.OTEL_EXPORTER_OTLP_TRACES_ENDPOINT
  const base = v.OTEL_EXPORTER_OTLP_ENDPOINT
  return base === undefined ? null : `${base.replace(/\/+$/, '')}/v1/traces`
}

/** Returns a problem if the headers, which have a collector's key, would go over the network in plain text. */
export function tracingContradictions(v: Variables): readonly string[] {
  const url = urlOf(v)
  const hasHeaders = Object.keys(v.OTEL_EXPORTER_OTLP_HEADERS).length > 0
  if (url === null || !hasHeaders || !exposesSecrets(url)) return []
  return [`OTEL_EXPORTER_OTLP_ENDPOINT: ${HTTPS_RULE}`]
}
