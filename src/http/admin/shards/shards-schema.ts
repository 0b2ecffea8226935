// Bodies of /_rig/api/v1/shards: they validate requests, type responses, and describe both in openapi.json.
import * as z from 'zod'
import { MAX_SHARDS } from '../../../core/shard-map/shard-number.ts'

const confirmation = z.object({ confirmed: z.number().int(), of: z.number().int() })

export const shardsBody = z.strictObject({ shards: z.number().int().min(1).max(MAX_SHARDS) })

export const shardsStatus = z.object({
  shards: z.number().int().describe('The number by which users connect, of each group'),
  wanted: z.number().int().describe('The number that was requested last'),
  groups: z
    .array(
      z.object({
        name: z.string().nullable().describe('Null: SHARD_GROUPS does not name it any more'),
        firstShard: z
          .number()
          .int()
          .describe('The number of its first shard: with it begin the tokens of its connections'),
        isOpen: z.boolean().describe('Whether clients connect to it'),
      }),
    )
    .describe('The groups of shards, each with this number of shards; one without SHARD_GROUPS'),
  version: z.number().int().describe('Version of the shard map'),
  phase: z.enum(['steady', 'adopting', 'writing_both', 'moving', 'ending']),
  from: z.number().int().nullable().describe('The number before the change; null: no change is under way'),
  to: z.number().int().nullable(),
  followers: confirmation.describe('How many followers have confirmed the phase'),
  shardsConfirmed: confirmation,
  connectionsToMove: z.number().int().describe('Connections of moved users that are still open at their old shards'),
  bothWrittenUntil: z
    .string()
    .nullable()
    .describe('When events for moved users are no longer written to the old shards'),
  problem: z.string().nullable().describe('Why the change is waiting'),
})
