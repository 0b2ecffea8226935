// Names of headers that say who asks, from where, and for what: services, frameworks and other proxies believe them, so a
// client must not send them. Names are compared in one canonical form. Pure; used by the proxy, and for `client_headers`.

/** Headers that end at Rigel (RFC 9110, section 7.6.1), and those of them that old proxies pass on. */
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

/** Headers that Rigel reads, and writes anew. */
const REWRITTEN = [
  'forwarded',
  'host',
  'traceparent',
  'tracestate',
  'x-forwarded-for',
  'x-forwarded-host',
  'x-forwarded-proto',
  'x-rigel-*',
]

/**
 * A `*` at the end matches any rest. docs/gateway.md has the same list; a test compares them. Collected from the
 * documentation and the code of
 * - proxies and edges: nginx and its Ingress, HAProxy, Envoy, Istio, Linkerd, Traefik, Apache, IIS, Kong, APISIX, 3scale,
 *   MuleSoft, Gravitee, Cloudflare, CloudFront, Fastly, Akamai, Imperva, Google, AWS, Azure, Fly, Vercel, Netlify;
 * - what authenticates before a service: oauth2-proxy, Gatekeeper, Authelia, authentik, Pomerium, Vouch, Cloudflare
 *   Access, Google IAP, AWS ALB, API Gateway and VPC Lattice, Azure App Service, Okta Access Gateway, Tailscale, Teleport,
 *   Oathkeeper, LemonLDAP::NG, SiteMinder, WebSEAL, Oracle Access Manager and SSO, mod_auth_openidc, mod_auth_cas,
 *   mod_auth_mellon, Shibboleth, PingFederate;
 * - what believes them: Rails and Rack, PHP and Symfony, WSGI and Django, ASP.NET Core, Next.js, serverless-express,
 *   WebLogic, WebSphere, Grafana, Loki, Kubernetes, Kubeflow, Keystone, CouchDB, NiFi, Dapr.
 */
export const CALLER_HEADERS = [
  // Addresses, hosts and schemes.
  'forwarded',
  'forwarded-*',
  'x-forwarded',
  'x-forwarded-*',
  'cf-pseudo-ipv4',
  'fly-forwarded-*',
  'cloudfront-*',
  'x-azure-fdid',
  'x-azure-socketip',
  'x-vercel-forwarded-for',
  'x-vercel-proxied-for',
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
  'x-replaced-path',
  'x-http-*',
  'x-method-override',
  'script-name',
  'x-script-name',
  'path-info',
  'x-path-info',
  // Users.
  'remote-*',
  'remoteuser',
  'x-remote-*',
  'x-remoteuser',
  'auth-type',
  'auth-cn',
  'php-auth-*',
  'x-auth-request-*',
  'x-auth-couchdb-*',
  'x-auth-audience',
  'x-auth-name',
  'x-auth-given-name',
  'x-auth-family-name',
  'x-uid',
  'x-user-uid',
  'x-user-sub',
  'x-identity-status',
  'x-authenticated-*',
  'x-webauth-*',
  'x-authentik-*',
  'x-pomerium-*',
  'x-vouch-*',
  'oag-*',
  'tailscale-*',
  'teleport-*',
  'oidc-*',
  'cas-*',
  'mellon-*',
  'pf-auth-*',
  'shib-*',
  'eppn',
  'persistent-id',
  'targeted-id',
  'affiliation',
  'unscoped-affiliation',
  'entitlement',
  'x-jwt-claim-*',
  'x-jwt-payload',
  'x-consumer-*',
  'x-credential-*',
  'x-anonymous-consumer',
  'x-agw-*',
  'x-gravitee-*',
  'x-goog-authenticated-user-*',
  'x-goog-iap-*',
  'x-amzn-oidc-*',
  'x-amzn-lattice-*',
  'x-amzn-request-context',
  'x-amzn-lambda-context',
  'x-apigateway-*',
  'x-ms-client-principal-*',
  'x-ms-token-*',
  'cf-access-authenticated-user-email',
  'iv-*',
  'sm-*',
  'smuser',
  'oam-*',
  'osso-*',
  'kubeflow-*',
  'x-scope-orgid',
  'x-proxiedentitieschain',
  'x-proxiedissuerentitieschain',
  // Client certificates.
  'client-cert',
  'client-cert-*',
  'x-client-cert',
  'x-client-cert-*',
  'x-client-certificate',
  'x-client-verify',
  'x-amzn-mtls-*',
  'x-tls-*',
  'ssl-*',
  'x-ssl-*',
  'x-arr-clientcert',
  'x-arr-ssl',
  'ms-aspnetcore-*',
  // Proxies, servers and platforms that trust any sender of these.
  'proxy',
  'proxy-*',
  'wl-proxy-*',
  '-ws*',
  'x-envoy-*',
  'x-istio-*',
  'l5d-*',
  'dapr-caller-*',
  'x-spiffe-*',
  'x-accel-*',
  'x-sendfile-type',
  'x-middleware-*',
  'x-invoke-*',
  'x-aws-sqsd-*',
  'x-cloudtasks-*',
  'x-cloudscheduler',
  'x-cloudscheduler-*',
  'x-rigel-*',
]

/**
 * A name that begins with `x-` or `auth-` and ends in one of these words says who asks: `x-user`, `x-okta-user`, `auth-mail`.
 * The list has no tokens and keys, because a service checks those itself, and no `role`, `tenant` and `account`, because a
 * client of many APIs chooses one of those that it may have.
 */
export const CALLER_ENDINGS = [
  'user',
  'username',
  'user-name',
  'userid',
  'user-id',
  'userinfo',
  'email',
  'mail',
  'login',
  'upn',
  'dn',
  'subject',
  'principal',
  'identity',
  'groups',
  'roles',
  'permissions',
  'scopes',
  'claims',
  'ip',
  'clientip',
]

const isOfOneHop = createMatcher(ONE_HOP)
const isRewritten = createMatcher(REWRITTEN)
const isListed = createMatcher(CALLER_HEADERS)
const isAnyOfThese = createMatcher([...ONE_HOP, ...REWRITTEN, ...CALLER_HEADERS])
/** Also any name whose last word is `ip`, such as `client-ip`, but those of Cloudflare's edge, which overwrites them. */
const ENDING = new RegExp(`^(?:(?:x|auth)-(?:.+-)?(?:${CALLER_ENDINGS.join('|')})|(?!cf-).+-ip)$`)

/** Returns whether a header of this name never passes from a client to a service. `name` is canonical. */
export function isRemoved(name: string): boolean {
  return isAnyOfThese(name) || ENDING.test(name)
}

/** Returns why a route cannot let clients send a header, or undefined if it can. `name` is in lower case. */
export function whyNotClients(name: string): string | undefined {
  const canonical = canonicalName(name)
  if (isOfOneHop(canonical)) return 'ends at Rigel, because it is for one hop'
  if (isRewritten(canonical)) return 'is written by Rigel'
  return saysWhoAsks(canonical) ? undefined : 'is not removed: clients may send it anyway'
}

/** CGI, WSGI, Rack and PHP read `X-User`, `x_user` and `x.user` as one variable: here they are one name. */
export function canonicalName(name: string): string {
  return /^[a-z0-9-]+$/.test(name) ? name : name.toLowerCase().replaceAll(/[^a-z0-9]/g, '-')
}

/** A `*` at the end of a name matches any rest. One expression: a client may send thousands of names. */
export function createMatcher(names: readonly string[]): (name: string) => boolean {
  const patterns = names.toSorted().map((name) => (name.endsWith('*') ? name.slice(0, -1) : `${name}$`))
  const expression = new RegExp(`^(?:${patterns.join('|')})`)
  return (name) => expression.test(name)
}

function saysWhoAsks(name: string): boolean {
  return isListed(name) || ENDING.test(name)
}
