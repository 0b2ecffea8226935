// The command lines of fuzz.ts, sim.ts and soak.ts: `--name value`, and nothing else.

/** Returns the flags, with the defaults of those that are not given. Throws for one that the defaults don't name. */
export function readFlags<T extends Readonly<Record<string, string>>>(argv: readonly string[], defaults: T): T {
  const flags: Record<string, string> = { ...defaults }
  for (let at = 0; at < argv.length; at += 2) {
    const name = argv[at]?.replace(/^--/, '') ?? ''
    const value = argv[at + 1]
    if (!(name in defaults) || value === undefined) {
      const known = Object.keys(defaults).map((flag) => `--${flag} <value>`)
      throw new Error(`${argv[at]}: there are ${known.join(', ')}`)
    }
    flags[name] = value
  }
  return flags as T
}
