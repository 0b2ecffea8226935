// The variables of tracing, which are OpenTelemetry's.
import { describe, expect, it } from 'vitest'
import { effectiveVariables, parseConfig } from '../../src/config/parse-config.ts'

const ENDPOINT = 'OTEL_EXPORTER_OTLP_ENDPOINT'
const tracingOf = (variables: object) => {
  const parsed = parseConfig(variables)
  return parsed.ok ? parsed.value.tracing : parsed.reason
}

describe('tracing', () => {
  it('is off unless a collector is set', () => {
    expect(tracingOf({ OTEL_TRACES_SAMPLER_ARG: '0.5', OTEL_SERVICE_NAME: 'x' })).toBeNull()
  })

  it('posts to /v1/traces of the collector, or to the URL of traces', () => {
    expect(tracingOf({ [ENDPOINT]: 'https://otel.example.com/base/' })).toMatchObject({
      url: 'https://otel.example.com/base/v1/traces',
      service: 'rigel',
      ratio: 1,
    })
    const own = { OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: 'https://traces.example.com/in' }
    expect(tracingOf({ [ENDPOINT]: 'https://otel.example.com', ...own })).toMatchObject({
      url: own.OTEL_EXPORTER_OTLP_TRACES_ENDPOINT,
    })
  })

  it('has headers, percent-encoded', () => {
    const headers = 'Authorization=Bearer%20a%3Db, x-team = rigel'
    expect(tracingOf({ [ENDPOINT]: 'https://otel.example.com', OTEL_EXPORTER_OTLP_HEADERS: headers })).toMatchObject({
      headers: { authorization: 'Bearer a=b', 'x-team': 'rigel' },
    })
  })

  it.each([
    ['authorization', 'https://otel.example.com', 'OTEL_EXPORTER_OTLP_HEADERS: must be such as'],
    ['=x', 'https://otel.example.com', 'OTEL_EXPORTER_OTLP_HEADERS: must be such as'],
    ['a=%zz', 'https://otel.example.com', 'OTEL_EXPORTER_OTLP_HEADERS: must be such as'],
    ['a=b%0d%0ac', 'https://otel.example.com', 'OTEL_EXPORTER_OTLP_HEADERS: must be such as'],
    ['a=b', 'http://otel.example.com', `${ENDPOINT}: must be https`],
  ])('refuses the headers %s for %s', (headers, endpoint, problem) => {
    expect(tracingOf({ [ENDPOINT]: endpoint, OTEL_EXPORTER_OTLP_HEADERS: headers })).toEqual([
      expect.stringContaining(problem),
    ])
  })

  it.each([
    [ENDPOINT, 'collector:4318', `${ENDPOINT}: must be a URL such as https://collector.example.com:4318`],
    ['OTEL_EXPORTER_OTLP_PROTOCOL', 'grpc', 'OTEL_EXPORTER_OTLP_PROTOCOL: must be http/json'],
    ['OTEL_TRACES_SAMPLER_ARG', '2', 'OTEL_TRACES_SAMPLER_ARG: must be a number from 0 to 1, such as 0.01'],
    ['OTEL_TRACES_SAMPLER_ARG', '1%', 'OTEL_TRACES_SAMPLER_ARG: must be a number from 0 to 1, such as 0.01'],
  ])('refuses %s = %s', (name, value, problem) => {
    expect(tracingOf({ [name]: value })).toEqual([expect.stringContaining(problem)])
  })

  it('does not show the collector’s key', () => {
    const variables = { [ENDPOINT]: 'http://localhost:4318', OTEL_EXPORTER_OTLP_HEADERS: 'authorization=s3cret' }
    expect(JSON.stringify(effectiveVariables(variables))).not.toContain('s3cret')
  })
})
