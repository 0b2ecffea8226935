// Gets tokens for SASL OAUTHBEARER: from an authorization server by the client credentials grant (RFC 6749, section 4.4), or,
// for Amazon MSK, a signed URL that proves an IAM identity. Called by sasl.ts, once per connection.
import { readBody } from '../../../core/http-body.ts'
import { parseJson } from '../../../core/json.ts'
import { AwsV4Signer } from 'aws4fetch'
import * as z from 'zod'
import { AuthenticationError, ConnectionError } from '../errors.ts'

/** OAuth 2 client credentials. `scope` is null if none is requested. */
export interface ClientCredentials {
  readonly tokenUrl: string
  readonly clientId: string
  readonly clientSecret: string
  readonly scope: string | null
}

const TOKEN_TIMEOUT_MS = 10_000
const MAX_ANSWER_BYTES = 65_536
const TOO_MANY_REQUESTS = 429

const answerSchema = z.object({ access_token: z.string().min(1) })

/** Returns an access token. Throws a ConnectionError if the server is unavailable, an AuthenticationError if it refuses. */
export async function fetchToken(credentials: ClientCredentials, customFetch: typeof fetch): Promise<string> {
  const { tokenUrl, clientId, clientSecret, scope } = credentials
  const body = new URLSearchParams({ grant_type: 'client_credentials', ...(scope === null ? {} : { scope }) })
  const basic = btoa(`${encodeURIComponent(clientId)}:${encodeURIComponent(clientSecret)}`)
  const { host } = new URL(tokenUrl)
  let response: Response
  let text: string
  try {
    response = await customFetch(tokenUrl, {
      method: 'POST',
      body,
      headers: { authorization: `Basic ${basic}`, accept: 'application/json' },
      // The secret must not follow a redirect to another server.
      redirect: 'manual',
      signal: AbortSignal.timeout(TOKEN_TIMEOUT_MS),
    })
    text = await readText(response)
  } catch (error) {
    throw new ConnectionError(`Kafka: OAUTHBEARER: no token from ${host}: ${String(error)}`)
  }
  if (response.status >= 500 || response.status === TOO_MANY_REQUESTS)
    throw new ConnectionError(`Kafka: OAUTHBEARER: ${host} answered ${response.status}`)
  if (!response.ok)
    throw new AuthenticationError(`Kafka: OAUTHBEARER: ${host} answered ${response.status} instead of a token`)
  const parsed = answerSchema.safeParse(parseJson(text))
  if (parsed.success) return parsed.data.access_token
  throw new AuthenticationError(`Kafka: OAUTHBEARER: ${host} returned no access_token`)
}

/** Reads a body of at most 64 KiB. */
async function readText(response: Response): Promise<string> {
  const body = await readBody(response, MAX_ANSWER_BYTES)
  if (!body.ok) throw new Error(`the response has more than ${MAX_ANSWER_BYTES} bytes`)
  return new TextDecoder().decode(body.bytes)
}

/** AWS credentials for MSK IAM. */
export interface AwsCredentials {
  readonly region: string
  readonly accessKeyId: string
  readonly secretAccessKey: string
  /** Part of temporary credentials; null for permanent ones. */
  readonly sessionToken: string | null
}

/** The longest lifetime that MSK accepts. */
const MSK_TOKEN_SECONDS = '900'

/** Returns a presigned `kafka-cluster:Connect` request in base64url, as aws-msk-iam-sasl-signer builds it. */
export async function signMskToken({ sessionToken, ...aws }: AwsCredentials, nowMs: number): Promise<string> {
  const url = new URL(`https://kafka.${aws.region}.amazonaws.com/`)
  url.searchParams.set('Action', 'kafka-cluster:Connect')
  url.searchParams.set('X-Amz-Expires', MSK_TOKEN_SECONDS)
  const signed = await new AwsV4Signer({
    ...aws,
    ...(sessionToken === null ? {} : { sessionToken }),
    url: url.href,
    method: 'GET',
    service: 'kafka-cluster',
    signQuery: true,
    datetime: new Date(nowMs).toISOString().replaceAll(/[:-]|\.\d{3}/g, ''),
  }).sign()
  signed.url.searchParams.set('User-Agent', 'rigel')
  return btoa(signed.url.href).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '')
}
