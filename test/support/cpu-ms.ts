// For tests of how long something takes: other work of the machine adds to the wall-clock, and not to this.

/** CPU time of this thread, in milliseconds. Only in Node. */
export function cpuMs(): number {
  const { system, user } = process.threadCpuUsage()
  return (user + system) / 1_000
}
