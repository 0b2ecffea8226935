// PUT /_rig/v1/connection/{sse|ndjson|ws|longpolling}/{token}/passed: asks when a connection has been sent everything up to
// offsets, such as those of an answer's `Rigel-Produced`. The answer comes when it has, and as `rig.passed` in the stream.
import type { Context } from 'hono'
import * as z from 'zod'
import type { RigelError } from '../../core/errors.ts'
import { parseJson } from '../../core/json.ts'
import { fail, type Result } from '../../core/result.ts'
import { decodeUtf8 } from '../../core/text.ts'
import { shardStub } from '../../rpc/shard.ts'
import { corsHeaders } from '../cors.ts'
import { errorResponse, shardFailure } from '../error-response.ts'
import type { HttpEnv } from '../worker-context.ts'
import { readAddress } from './connection-request.ts'

/** The longest list of offsets, and its ref. */
const MAX_BYTES = 33_000

const bodySchema = z.object({ offsets: z.string(), ref: z.string().max(64).optional() })

export async function putPassed(c: Context<HttpEnv>): Promise<Response> {
  const cors = corsHeaders(c.var.config, c.req.raw)
  const passed = await tellPassed(c)
  return passed.ok ? new Response(null, { status: 204, headers: cors }) : errorResponse(passed.reason, cors)
}

async function tellPassed(c: Context<HttpEnv>): Promise<Result<null, RigelError>> {
  const body = await c.var.bodies.read(c.req.raw, MAX_BYTES)
  if (!body.ok) return body
  const { data } = bodySchema.safeParse(parseJson(decodeUtf8(body.value) ?? ''))
  if (data === undefined)
    return fail({ kind: 'bad_request', message: 'Expected JSON such as {"offsets": "orders/3@1042", "ref": "1"}.' })
  const address = await readAddress(c.req.param('token') ?? '', c.var.shardMap)
  if (!address.ok) return address
  const { connectionId, shard } = address.value
  try {
    return await shardStub(c.env, shard).tellPassed(connectionId, data.offsets, data.ref)
  } catch (error) {
    return fail(shardFailure(error))
  }
}
