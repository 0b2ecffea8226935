// Calls of the Kinesis API (https://docs.aws.amazon.com/kinesis/latest/APIReference): signed JSON over HTTPS. No SDK:
// it is many times the size of Rigel, and six calls are needed.
import { AwsClient } from 'aws4fetch'
import type { KinesisConfig } from '../../config/sources/kinesis.ts'
import { readBody } from '../../core/http-body.ts'
import { isObject, type JsonObject } from '../../core/json.ts'

/** GetRecords returns up to 10 MB, which base64 makes 14. */
const MAX_ANSWER_BYTES = 20 * 1_048_576

const TIMEOUT_MS = 15_000

/** An error response of the API. `code` is the name of the error, such as `ResourceNotFoundException`. */
export class KinesisError extends Error {
  override readonly name = 'KinesisError'
  readonly code: string

  constructor(call: string, code: string, message: string) {
    super(`Kinesis: ${call}: ${code}: ${message}`)
    this.code = code
  }
}

/** Sends one call, and returns its answer. Throws a KinesisError, or an Error if there is no answer. */
export type KinesisCall = (call: string, body: JsonObject) => Promise<JsonObject>

/** `customFetch` sends the signed requests. */
export function createKinesisCall(
  { credentials, endpoint }: Pick<KinesisConfig, 'credentials' | 'endpoint'>,
  region: string,
  customFetch: typeof fetch,
): KinesisCall {
  const url = `${(endpoint ?? `https://kinesis.${region}.amazonaws.com`).replace(/\/$/, '')}/`
  if (credentials === null) {
    return async (call) => {
      throw new Error(`Kinesis: ${call}: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are not set`)
    }
  }
  const { accessKeyId, secretAccessKey, sessionToken } = credentials
  const session = sessionToken === null ? {} : { sessionToken }
  const signer = new AwsClient({ accessKeyId, secretAccessKey, ...session, service: 'kinesis', region })
  return async (call, body) => {
    const request = await signer.sign(url, {
      method: 'POST',
      body: JSON.stringify(body),
      headers: { 'content-type': 'application/x-amz-json-1.1', 'x-amz-target': `Kinesis_20131202.${call}` },
    })
    return ask(customFetch, request, call)
  }
}

async function ask(customFetch: typeof fetch, request: Request, call: string): Promise<JsonObject> {
  let response: Response
  let text: string
  try {
    response = await customFetch(request, { redirect: 'manual', signal: AbortSignal.timeout(TIMEOUT_MS) })
    const body = await readBody(response, MAX_ANSWER_BYTES)
    if (!body.ok) throw new Error(`the answer has more than ${MAX_ANSWER_BYTES} bytes`)
    text = new TextDecoder().decode(body.bytes)
  } catch (error) {
    throw new Error(`Kinesis: ${call}: no answer from ${new URL(request.url).host}: ${String(error)}`, { cause: error })
  }
  const answer = parseObject(text)
  if (response.ok) return answer
  // `com.amazonaws.kinesis.v20131202#ResourceNotFoundException`, or the name alone.
  const type = textOf(answer['__type']) ?? String(response.status)
  const message = textOf(answer['message']) ?? textOf(answer['Message']) ?? 'no reason given'
  throw new KinesisError(call, type.replace(/^.*#/, ''), message)
}

function textOf(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined
}

/** JSON.parse loses no digits here: numbers are counts and times, and sequence numbers are strings. */
function parseObject(text: string): JsonObject {
  try {
    const value: unknown = text === '' ? {} : JSON.parse(text)
    return isObject(value) ? value : {}
  } catch {
    return {}
  }
}
