// A React hook over a connection: `import { useEvents } from 'rigel-client/react'`. React 18 or later is the page's own.
import { useCallback, useRef, useSyncExternalStore } from 'react'
import type { LiveTable } from './table.ts'
import type { ConnectionState, EventMatching, EventTypes, FilterTypes, Rigel, TypeOrPattern } from './types.ts'

const NONE: readonly never[] = []

/**
 * The last events of a type, oldest first; `type` may be a pattern. The component renders again at each event. An event
 * counts as handled at once: for work that must be done before the position moves on, use `rigel.on`.
 */
export function useEvents<Events extends EventTypes, Filters extends FilterTypes, P extends TypeOrPattern<Events>>(
  rigel: Rigel<Events, Filters>,
  type: P,
  { limit = 100 }: { readonly limit?: number } = {},
): readonly EventMatching<Events, P>[] {
  const events = useRef<readonly EventMatching<Events, P>[]>(NONE)
  const subscribe = useCallback(
    (render: () => void) =>
      rigel.on(type, (event) => {
        events.current = [...events.current, event].slice(-limit)
        render()
      }),
    [rigel, type, limit],
  )
  return useSyncExternalStore(
    subscribe,
    () => events.current,
    () => NONE,
  )
}

// oxlint-disable-next-line typescript/no-explicit-any -- it has no rows of any type
const NO_ROWS: ReadonlyMap<string, any> = new Map()

/** The rows of a table: key → the newest event. The component renders again at each change. */
export function useTable<T>(table: LiveTable<T>): LiveTable<T>['rows'] {
  const subscribe = useCallback((render: () => void) => table.onChange(render), [table])
  return useSyncExternalStore(
    subscribe,
    () => table.rows,
    () => NO_ROWS,
  )
}

/** `connecting`, `open`, `waiting` or `closed`. */
export function useConnectionState(rigel: Pick<Rigel, 'onState' | 'state'>): ConnectionState {
  const subscribe = useCallback((render: () => void) => rigel.onState(render), [rigel])
  return useSyncExternalStore(
    subscribe,
    () => rigel.state,
    () => 'connecting',
  )
}
