// PUT /_rig/v1/connection/{sse|ws|longpolling}/{token}/metadata: replaces the metadata of a connection, such as its
// device. Services find connections by the fields that METADATA_INDEXES names.
import { toScalar, type Scalar } from '../../core/scalar.ts'
import { decodeUtf8 } from '../../core/text.ts'
import type { Context } from 'hono'
import * as z from 'zod'
import type { RigelError } from '../../core/errors.ts'
import { ANONYMOUS } from '../../core/identity/principal.ts'
import { parseJson } from '../../core/json.ts'
import { fail, type Result } from '../../core/result.ts'
import { shardStub } from '../../rpc/shard.ts'
import { bearerTokens } from '../request/token-source.ts'
import { readAddress, toPutError } from './connection-request.ts'
import { corsHeaders } from '../cors.ts'
import { errorResponse, shardFailure } from '../error-response.ts'
import type { HttpEnv } from '../worker-context.ts'

const MAX_BYTES = 4_096
const EXPECTED = '{"metadata": {"name": a string, number or boolean}}, of 4 KiB at most'

const bodySchema = z.object({
  metadata: z.record(z.string().min(1), z.unknown().transform(toMetadataValue)),
})

function toMetadataValue(value: unknown, context: z.RefinementCtx): Exclude<Scalar, null> {
  const scalar = toScalar(value)
  if (scalar !== undefined && scalar !== null) return scalar
  context.addIssue('must be a string, number or boolean')
  return z.NEVER
}

export async function putMetadata(c: Context<HttpEnv>): Promise<Response> {
  const cors = corsHeaders(c.var.config, c.req.raw)
  const set = await replaceMetadata(c)
  return set.ok ? new Response(null, { status: 204, headers: cors }) : errorResponse(set.reason, cors)
}

async function replaceMetadata(c: Context<HttpEnv>): Promise<Result<null, RigelError>> {
  const body = await c.var.bodies.read(c.req.raw, MAX_BYTES)
  if (!body.ok && body.reason.kind !== 'body_too_large') return body
  const parsed = bodySchema.safeParse(body.ok ? parseJson(decodeUtf8(body.value) ?? '') : undefined)
  if (!parsed.success) return fail({ kind: 'bad_request', message: `Expected JSON such as ${EXPECTED}.` })
  const address = await readAddress(c.req.param('token') ?? '', c.var.shardMap)
  if (!address.ok) return address
  const [token] = bearerTokens(c.req.raw)
  const verified = token === undefined ? undefined : await c.var.verifyToken(token)
  if (verified?.ok === false) return fail(toPutError(verified.reason))
  const { connectionId, shard } = address.value
  try {
    const principal = verified?.value.principal ?? ANONYMOUS
    return await shardStub(c.env, shard).setMetadata(connectionId, parsed.data.metadata, principal)
  } catch (error) {
    return fail(shardFailure(error))
  }
}
