// Parses where requests go: `https://host:port/base`, `service:NAME`, or `env:VARIABLE` that holds one of them. Only API
// definitions name upstreams, never a request. Called by the parsers of both formats.
import { fail, ok, type Result } from '../core/result.ts'
import type { DefinitionEnv, Upstream } from './api-route.ts'

/** A service binding has no address, so its name is used as the host. */
const SERVICE_ORIGIN = 'http://'

export function parseUpstream(text: string, weight: number, definitionEnv: DefinitionEnv): Result<Upstream, string> {
  if (text.startsWith('env:')) {
    const name = text.slice('env:'.length)
    const value = definitionEnv.variable(name)
    if (value === undefined) return fail(`names the variable ${name}, which is not set`)
    if (value.startsWith('env:')) return fail(`the variable ${name} must hold a URL or service:NAME`)
    return parseUpstream(value, weight, definitionEnv)
  }
  if (text.startsWith('service:')) {
    const service = text.slice('service:'.length)
    if (!definitionEnv.hasService(service))
      return fail(`names the service binding ${service}, which wrangler.toml does not define`)
    return ok({ base: `${SERVICE_ORIGIN}${service.toLowerCase().replaceAll('_', '-')}`, weight, service })
  }
  if (!/^https?:\/\//.test(text) || !URL.canParse(text)) {
    return fail('must be a URL such as https://books.example.com, service:NAME, or env:VARIABLE')
  }
  const url = new URL(text)
  if (url.username !== '' || url.password !== '') return fail('must hold no credentials: set a header')
  if (url.search !== '' || url.hash !== '') return fail('must have no query and no fragment')
  return ok({ base: `${url.origin}${url.pathname.replace(/\/+$/, '')}`, weight, service: null })
}
