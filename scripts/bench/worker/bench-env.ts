// The environment of the Worker that is measured.
import type { BarePath } from './bare-path.ts'
import type { Bare } from './bare.ts'
import type { Holder } from './holder.ts'
import type { Shards } from './objects.ts'

/** What leads to another workerd: of workerd alone, so no types have it. */
interface DebugPort {
  connect(address: string): Promise<{ getEntrypoint(service: string, name?: string): Service<Shards> }>
}

export interface BenchEnv extends Env {
  BARE: DurableObjectNamespace<Bare>
  BARE_PATH: DurableObjectNamespace<BarePath>
  HOLDER: DurableObjectNamespace<Holder>
  DEBUG_PORT: DebugPort
  /** Of another workerd, which has the shards that followers append to; none: they are here. */
  SHARDS_AT?: string
  /** Set: calls, rows and alarms are counted. */
  COUNT?: string
  /** The service that `/bench/pass/…` passes requests on to, as they are. */
  PASS_TO: string
}
