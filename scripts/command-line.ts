// The command lines of tools that people run by npm: a wrong option is answered by one line and the usage, not by a stack.
import { parseArgs, type ParseArgsConfig } from 'node:util'

/** Returns what `parseArgs` returns. Ends the process with 1 for an option that the tool does not have, or without its value. */
export function readCommandLine<T extends ParseArgsConfig>(usage: string, config: T): ReturnType<typeof parseArgs<T>> {
  try {
    return parseArgs(config)
  } catch (error) {
    return exit(`${error instanceof Error ? error.message : String(error)}\nusage: ${usage}`)
  }
}

/** Ends the process with 1. */
export function exit(message: string): never {
  console.error(message)
  process.exit(1)
}
