// A React hook over a connection: `import { useEvents } from 'rigel-client/react'`. React 18 or later is the page's own.
import { useCallback, useMemo, useSyncExternalStore } from 'react'
import type { LiveTable } from './table.ts'
import type { ConnectionState, EventMatching, EventTypes, FilterTypes, Rigel, TypeOrPattern } from './types.ts'

const NONE: readonly never[] = []

/**
 * The last events of a type, oldest first; `type` may be a pattern. The component renders again when events have come. An event
 * counts as handled at once: for work that must be done before the position moves on, use `rigel.on`.
 */
export function useEvents<Events extends EventTypes, Filters extends FilterTypes, P extends TypeOrPattern<Events>>(
  rigel: Rigel<Events, Filters>,
  type: P,
  { limit = 100 }: { readonly limit?: number } = {},
): readonly EventMatching<Events, P>[] {
  // A new type, connection or limit begins with an empty list: what came for the one before is not shown.
  const { get, subscribe } = useMemo(() => {
    let events: readonly EventMatching<Events, P>[] = NONE
    return {
      get: () => events,
      subscribe: (render: () => void) =>
        inTurns(render, (changed) =>
          rigel.on(type, (event) => {
            events = [...events, event].slice(-limit)
            changed()
          }),
        ),
    }
  }, [rigel, type, limit])
  return useSyncExternalStore(subscribe, get, () => NONE)
}

// oxlint-disable-next-line typescript/no-explicit-any -- it has no rows of any type
const NO_ROWS: ReadonlyMap<string, any> = new Map()

/** The rows of a table: key → the newest event. The component renders again when they have changed. */
export function useTable<T>(table: LiveTable<T>): LiveTable<T>['rows'] {
  return useSyncExternalStore(
    useChanges(table),
    () => table.rows,
    () => NO_ROWS,
  )
}

/** `loading`, `current` or `failed`. */
export function useTableState(table: LiveTable): LiveTable['state'] {
  return useSyncExternalStore(
    useChanges(table),
    () => table.state,
    () => 'loading',
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

function useChanges(table: LiveTable): (render: () => void) => () => void {
  return useCallback((render) => inTurns(render, (changed) => table.onChange(changed)), [table])
}

/** Renders once for all that comes at once: what one message brings is handled event by event, and React would render after each. */
function inTurns(render: () => void, listen: (changed: () => void) => () => void): () => void {
  let timer: ReturnType<typeof setTimeout> | null = null
  const stop = listen(() => {
    timer ??= setTimeout(() => {
      timer = null
      render()
    })
  })
  return () => {
    stop()
    if (timer !== null) clearTimeout(timer)
  }
}
