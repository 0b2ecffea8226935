// GET and PUT /_rig/api/v1/shards: the number of shards, and the progress of a change. Called by admin-api.ts.
import type { Context } from 'hono'
import type { z } from 'zod'
import type { Config } from '../../../config/parse-config.ts'
import { allGroups, connectingGroups, connectingShards } from '../../../core/shard-map/shard-map.ts'
import { DEFAULT_GROUP, MAX_SHARDS, shardAt } from '../../../core/shard-map/shard-number.ts'
import { parseJson } from '../../../core/json.ts'
import { decodeUtf8 } from '../../../core/text.ts'
import { directoryStub, type ShardChangeStatus } from '../../../rpc/directory.ts'
import { errorResponse } from '../../error-response.ts'
import type { HttpEnv } from '../../worker-context.ts'
import { shardsBody, type shardsStatus } from './shards-schema.ts'

const MAX_BODY_BYTES = 1_024

export async function getShards(c: Context<HttpEnv>): Promise<Response> {
  return c.json(describe(await directoryStub(c.env).shardChange(), c.var.config))
}

/** Starts a change, which continues by itself. The response has its progress. */
export async function putShards(c: Context<HttpEnv>): Promise<Response> {
  const body = await c.var.bodies.read(c.req.raw, MAX_BODY_BYTES)
  if (!body.ok) return errorResponse(body.reason)
  const parsed = shardsBody.safeParse(parseJson(decodeUtf8(body.value) ?? ''))
  const message = `Expected {"shards": a whole number from 1 to ${MAX_SHARDS}}.`
  if (!parsed.success) return errorResponse({ kind: 'bad_request', message })
  const directory = directoryStub(c.env)
  const wanted = await directory.wantShards(parsed.data.shards)
  if (!wanted.ok) return errorResponse({ kind: 'bad_request', message: wanted.reason })
  return c.json(describe(await directory.shardChange(), c.var.config), 202)
}

function describe(status: ShardChangeStatus, { placement }: Config): z.infer<typeof shardsStatus> {
  const { bothWrittenUntilMs, connectionsToMove, followers, map, problem, shards } = status
  const { change, version, wanted } = map
  return {
    shards: connectingShards(map),
    wanted,
    groups: allGroups(map).map((group) => ({
      name:
        placement.groups.find(({ number }) => number === group)?.name ?? (group === DEFAULT_GROUP ? 'default' : null),
      firstShard: shardAt(group, 0),
      isOpen: connectingGroups(map).includes(group),
    })),
    version,
    phase: change?.phase ?? 'steady',
    from: change?.from ?? null,
    to: change === null ? null : map.shards,
    followers,
    shardsConfirmed: shards,
    connectionsToMove,
    bothWrittenUntil: bothWrittenUntilMs === null ? null : new Date(bothWrittenUntilMs).toISOString(),
    problem,
  }
}
