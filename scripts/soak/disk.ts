// A small file system for Rigel's state, which the soak fills. Needs root; without it Rigel's state is in a folder as any other.
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

export interface Disk {
  readonly folder: string
  /** Until not a byte is left. */
  fill(): void
  free(): void
  unmount(): void
}

/** Returns null if the process may not mount. */
export function mountDisk(sizeMib: number): Disk | null {
  if (process.getuid?.() !== 0) return null
  const folder = mkdtempSync(join(tmpdir(), 'rigel-soak-'))
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${sizeMib}m`, 'tmpfs', folder], { stdio: 'ignore' })
  } catch {
    return null
  }
  const file = join(folder, 'fill')
  let isMounted = true
  const unmount = () => {
    if (isMounted) execFileSync('umount', ['--lazy', folder])
    isMounted = false
  }
  process.once('exit', unmount)
  return {
    folder,
    fill() {
      try {
        execFileSync('dd', ['if=/dev/zero', `of=${file}`, 'bs=4k'], { stdio: 'ignore' })
      } catch {
        // dd ends with an error when nothing is left.
      }
    },
    free: () => rmSync(file, { force: true }),
    unmount,
  }
}
