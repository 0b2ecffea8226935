// Which headers of a client never reach a service: hop-by-hop headers, and headers that identify the caller, its address or
// the URL. Names are compared in one canonical form. For headers.ts.
import type { HeaderChanges } from '../../../api-definitions/api-route.ts'

const ONE_HOP = [
  'connection',
  'expect',
  'http2-settings',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
]

/**
 * Headers from which services, frameworks and other proxies read the caller, its address, URL, method and certificate.
 * A `*` at the end matches any rest. docs/gateway.md has the same list; a test compares them. Collected from nginx,
 * HAProxy, Envoy, Istio, Linkerd, Traefik, Apache, IIS, Rails and Rack, PHP and Symfony, WSGI and Django, Next.js, WebLogic,
 * WebSphere, WebSEAL, SiteMinder, Oracle Access Manager, oauth2-proxy, Gatekeeper,
 * Authelia, authentik, Pomerium, Vouch, Tailscale, Teleport, mod_auth_openidc, Shibboleth, Grafana, Kong, and the edges of
 * Cloudflare, Fastly, Akamai, Imperva, Google, AWS, Azure, Fly, Vercel and Netlify.
 */
export const CALLER_HEADERS = [
  // Addresses, hosts and schemes.
  'forwarded',
  'x-forwarded',
  'x-forwarded-*',
  'x-real-ip',
  'true-client-ip',
  'client-ip',
  'x-client-ip',
  'x-cluster-client-ip',
  'x-originating-ip',
  'x-proxyuser-ip',
  'fastly-client-ip',
  'fly-client-ip',
  'incap-client-ip',
  'x-azure-clientip',
  'x-azure-socketip',
  'x-nf-client-connection-ip',
  'x-vercel-forwarded-for',
  'x-appengine-*',
  'x-host',
  'x-scheme',
  'x-url-scheme',
  'x-proto',
  'x-https',
  'front-end-https',
  // URLs and methods that replace those of the request.
  'x-original-*',
  'x-rewrite-*',
  'x-http-*',
  'x-method-override',
  'script-name',
  'x-script-name',
  'path-info',
  'x-path-info',
  // Users.
  'remote-*',
  'x-remote-*',
  'auth-user',
  'auth-type',
  'x-auth-request-*',
  'x-authenticated-*',
  'x-webauth-*',
  'x-authentik-*',
  'x-auth-username',
  'x-auth-userid',
  'x-auth-subject',
  'x-auth-roles',
  'x-auth-groups',
  'x-userinfo',
  'x-pomerium-*',
  'x-vouch-*',
  'tailscale-*',
  'teleport-*',
  'oidc-*',
  'shib-*',
  'x-consumer-*',
  'x-credential-*',
  'x-anonymous-consumer',
  'x-goog-authenticated-user-*',
  'x-goog-iap-*',
  'x-amzn-oidc-*',
  'x-ms-client-principal',
  'x-ms-client-principal-*',
  'x-ms-token-*',
  'x-apigateway-api-userinfo',
  'x-endpoint-api-userinfo',
  'cf-access-authenticated-user-email',
  'iv-*',
  'sm-*',
  'smuser',
  'oam-*',
  // Client certificates.
  'client-cert',
  'client-cert-*',
  'x-client-cert',
  'x-client-cert-*',
  'x-client-dn',
  'x-client-verify',
  'ssl-*',
  'x-ssl-*',
  'x-arr-clientcert',
  'x-arr-ssl',
  // Proxies and servers that trust any sender of these.
  'proxy',
  'proxy-*',
  'wl-proxy-*',
  '-ws*',
  'x-envoy-*',
  'x-istio-*',
  'l5d-*',
  'x-accel-*',
  'x-sendfile-type',
  'x-middleware-*',
  'x-invoke-*',
  'x-rigel-*',
]

/** Standard names. A second header whose name CGI, WSGI, Rack and PHP treat as the same is removed. */
const STANDARD = ['accept-*', 'access-control-*', 'cf-*', 'content-*', 'if-*', 'sec-*', 'transfer-*', 'user-agent']

/** Headers that Rigel reads, and writes anew. */
const REWRITTEN = ['host', 'traceparent', 'tracestate']

const isCallers = createMatcher([...CALLER_HEADERS, ...ONE_HOP, ...REWRITTEN])
const isStandard = createMatcher(STANDARD)
/**
 * The decision for each name, so that it is made once: removed, kept, or kept unless the request or the route has the name in
 * another spelling. Bounded, because clients make up names.
 */
const verdicts = new Map<string, 'remove' | 'keep' | 'compare'>()
const MAX_VERDICTS = 2_000

/** `tokenHeader` is the header in which the route looks for a token. */
export function isDropped(
  name: string,
  incoming: ReadonlyMap<string, string>,
  changes: HeaderChanges,
  tokenHeader: string | null,
): boolean {
  const verdict = verdicts.get(name) ?? judge(name)
  if (verdict !== 'compare') return verdict === 'remove'
  const canonical = canonicalName(name)
  return (
    incoming.has(canonical) ||
    (tokenHeader !== null && canonicalName(tokenHeader) === canonical) ||
    changes.set.some(([set]) => canonicalName(set) === canonical) ||
    changes.remove.some((removed) => canonicalName(removed) === canonical)
  )
}

function judge(name: string): 'remove' | 'keep' | 'compare' {
  const canonical = canonicalName(name)
  const isRemoved = isCallers(canonical) || (canonical !== name && isStandard(canonical))
  const verdict = isRemoved ? 'remove' : canonical === name ? 'keep' : 'compare'
  if (verdicts.size >= MAX_VERDICTS) verdicts.clear()
  verdicts.set(name, verdict)
  return verdict
}

/** CGI, WSGI, Rack and PHP read `X-User`, `x_user` and `x.user` as one variable: here they are one name. */
function canonicalName(name: string): string {
  return /^[a-z0-9-]+$/.test(name) ? name : name.toLowerCase().replaceAll(/[^a-z0-9]/g, '-')
}

function createMatcher(names: readonly string[]): (name: string) => boolean {
  const exact = new Set(names)
  const prefixes = names.filter((name) => name.endsWith('*')).map((name) => name.slice(0, -1))
  return (name) => exact.has(name) || prefixes.some((prefix) => name.startsWith(prefix))
}
