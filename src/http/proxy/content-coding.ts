// An answer as the service coded it. Hono's proxy helper, which removes what belongs to one hop, asks for what this runtime
// decodes, and takes `content-encoding` away, so that it does. Here it does so only for a client that could not: all others
// get what the service sent, and nobody loses parts (206), or codings of others. For forward.ts.
import { proxy } from 'hono/proxy'

const CODING = ['content-encoding', 'content-length']
/** By the runtime, when `content-encoding` is taken away. */
const DECODABLE = new Set(['gzip', 'br'])

export async function proxyCoded(
  url: string,
  init: RequestInit & { readonly headers: Headers },
  client: Request,
  send: (request: Request) => Promise<Response>,
): Promise<Response> {
  const asked = init.headers.get('accept-encoding')
  const said = new Headers()
  const customFetch = async (request: Request): Promise<Response> => {
    if (asked !== null) request.headers.set('accept-encoding', asked)
    const response = await send(request)
    if (mustDecode(response, client)) return response
    for (const name of CODING) if (response.headers.has(name)) said.set(name, response.headers.get(name) ?? '')
    return response
  }
  const response = await proxy(url, { ...init, customFetch })
  for (const [name, value] of said) response.headers.set(name, value)
  return response
}

function mustDecode({ headers, status }: Response, client: Request): boolean {
  const coding = headers.get('content-encoding')?.toLowerCase()
  if (coding === undefined || !DECODABLE.has(coding) || status === 206) return false
  // Cloudflare's edge asks for more than the client did, and says so.
  const said = (client.cf as IncomingRequestCfProperties | undefined)?.clientAcceptEncoding
  const accepted = said ?? client.headers.get('accept-encoding') ?? ''
  return !accepted.toLowerCase().includes(coding)
}
