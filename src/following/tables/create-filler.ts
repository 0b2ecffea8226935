// Creates the filler of tables of one partition. Called by both objects that follow partitions.
import { shardStub } from '../../rpc/shard.ts'
import { createFillPlanner, type PlannerOptions } from '../create-planner.ts'
import { TableFiller, type TableFillerDeps } from './table-filler.ts'

export function createFiller(
  planned: Pick<PlannerOptions, 'at' | 'config' | 'shardMap'>,
  {
    env,
    ...parts
  }: Pick<TableFillerDeps, 'sql' | 'log' | 'progress' | 'end' | 'follow' | 'nowMs'> & { readonly env: Env },
): TableFiller {
  return new TableFiller({
    ...parts,
    at: planned.at,
    createPlanner: (shardsOf, send) => createFillPlanner(planned, shardsOf, send),
    fill: async (shard, batch) => shardStub(env, shard).fillTables(batch),
    sleep: (ms) => scheduler.wait(ms),
  })
}
