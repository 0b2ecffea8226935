// The hooks for React, and the snippets of docs/client.md for Vue and Svelte, run as they stand there.
import { createElement, type ReactElement } from 'react'
import { renderToString } from 'react-dom/server'
import { describe, expect, it } from 'vitest'
import { effectScope, onScopeDispose, shallowRef, type ShallowRef } from 'vue'
import { readable, type Readable } from 'svelte/store'
import { useConnectionState, useEvents } from '../../src/client/react.ts'
import type { Handler, ReceivedEvent, Rigel } from '../../src/client/types.ts'
import { snippetOf } from '../../scripts/fences.ts'
import documentation from '../../docs/client.md?raw'

/** A connection whose events the test makes. */
function makeRigel(): { rigel: Rigel; emit: (id: string) => void; handlers: Set<Handler> } {
  const handlers = new Set<Handler>()
  const on = (_type: string, handler: Handler): (() => void) => {
    handlers.add(handler)
    return () => void handlers.delete(handler)
  }
  const event = (id: string): ReceivedEvent => ({
    specversion: '1.0',
    id,
    source: '/',
    type: 'order.shipped',
    position: id,
  })
  return {
    rigel: { state: 'open', on, onState: () => () => {} } as unknown as Rigel,
    emit: (id) => handlers.forEach((handler) => void handler(event(id))),
    handlers,
  }
}

type Use<T> = (rigel: Rigel, type: string, limit: number) => T

/** The function of a snippet, with what it imports handed in. */
function snippet(id: string, name: string, imports: Readonly<Record<string, unknown>>): unknown {
  const body = snippetOf(id, documentation)
    .replaceAll(/^import .*$/gm, '')
    .replaceAll('export ', '')
  // oxlint-disable-next-line typescript/no-implied-eval -- the snippet is ours
  return new Function(...Object.keys(imports), `${body}; return ${name}`)(...Object.values(imports)) as unknown
}

describe('Vue', () => {
  it('has the last events in a ref, and forgets the handler with its scope', () => {
    const { rigel, emit, handlers } = makeRigel()
    const use = snippet('docs/client.md#vue', 'useEvents', { onScopeDispose, shallowRef }) as Use<
      ShallowRef<ReceivedEvent[]>
    >
    const scope = effectScope()
    const events = scope.run(() => use(rigel, '*', 2))
    for (const id of ['1', '2', '3']) emit(id)
    expect(events?.value.map(({ id }) => id)).toEqual(['2', '3'])
    scope.stop()
    expect(handlers.size).toBe(0)
  })
})

describe('Svelte', () => {
  it('has the last events in a store while there is a subscriber', () => {
    const { rigel, emit, handlers } = makeRigel()
    const eventsOf = snippet('docs/client.md#svelte', 'eventsOf', { readable }) as Use<Readable<ReceivedEvent[]>>
    let seen: string[] = []
    const unsubscribe = eventsOf(rigel, '*', 2).subscribe((events) => (seen = events.map(({ id }) => id)))
    for (const id of ['1', '2', '3']) emit(id)
    expect(seen).toEqual(['2', '3'])
    unsubscribe()
    expect(handlers.size).toBe(0)
  })
})

describe('React', () => {
  it('renders on a server with no events, connecting', () => {
    const { rigel } = makeRigel()
    const Orders = (): ReactElement =>
      createElement('ul', { 'data-state': useConnectionState(rigel) }, useEvents(rigel, 'order.*').length)
    expect(renderToString(createElement(Orders))).toBe('<ul data-state="connecting">0</ul>')
  })
})
