// Measures the CPU time that work costs workerd. The CPU time of the clients in this process is not counted.
import type { Rig } from './rig.ts'

/** What was answered may still be under way: an event that is being delivered, a connection that is being closed. */
const REST_MS = 300

/** Microseconds of CPU per piece of `work`, which does `count` of them. */
export async function cpuMicrosecondsOf(rig: Rig, work: () => Promise<unknown>, count: number): Promise<number> {
  const beforeMs = rig.cpuMs()
  await work()
  await new Promise((resolve) => setTimeout(resolve, REST_MS))
  return ((rig.cpuMs() - beforeMs) * 1_000) / count
}
