// The variables of a Rigel on this machine: `.dev.vars`, made of .dev.vars.example if it is not there. Called by start.ts.
import { copyFileSync, existsSync, readFileSync } from 'node:fs'
import { parseEnv } from 'node:util'

/** Returns whether the file was made: .dev.vars, since another one is there. */
export function makeVariables(file: string): boolean {
  if (existsSync(file)) return false
  copyFileSync('.dev.vars.example', file)
  return true
}

/** Returns the variables as they are written: `$` is a character as any other (wrangler would put in a variable). */
export function readVariables(file: string): Readonly<Record<string, string>> {
  return parseEnv(readFileSync(file, 'utf8')) as Record<string, string>
}
