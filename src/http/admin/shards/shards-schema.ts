// Bodies of /_rig/api/v1/shards: they validate requests, type responses, and describe both in openapi.json.
import { z } from 'zod'
import { MAX_SHARDS } from '../../../core/shard-map/shard-map.ts'

const confirmation = z.object({ confirmed: z.number().int(), of: z.number().int() })

export const shardsBody = z.strictObject({ shards: z.number().int().min(1).max(MAX_SHARDS) })

export const shardsStatus = z.object({
  shards: z.number().int().describe('By which users connect'),
  wanted: z.number().int().describe('What was asked for last'),
  version: z.number().int().describe('Of the shard map'),
  phase: z.enum(['steady', 'adopting', 'writing_both', 'moving', 'ending']),
  from: z.number().int().nullable().describe('The number before the change; null: none is under way'),
  to: z.number().int().nullable(),
  followers: confirmation.describe('How many have confirmed the phase'),
  shardsConfirmed: confirmation,
  connectionsToMove: z.number().int().describe('Connections of moved users that are still open at their old shards'),
  bothWrittenUntil: z.string().nullable().describe('When the old shards get nothing for moved users any more'),
  problem: z.string().nullable().describe('Why the change does not go on for the moment'),
})
