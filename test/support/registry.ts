// Speaks to the registry of test/upstream/registry.ts: registers schemas, says how it is to behave, asks what it was asked.
import { inject } from 'vitest'

export class TestRegistry {
  readonly url: string

  /** Each name is a registry of its own; `main` is the deployment's. */
  constructor(name: string) {
    this.url = `http://127.0.0.1:${inject('registryPort')}/${name}`
  }

  /** Its id. */
  async register(subject: string, schema: unknown, more: Readonly<Record<string, unknown>> = {}): Promise<number> {
    const written = typeof schema === 'string' ? schema : JSON.stringify(schema)
    const response = await fetch(`${this.url}/subjects/${encodeURIComponent(subject)}/versions`, {
      method: 'POST',
      body: JSON.stringify({ schema: written, ...more }),
    })
    return (await response.json<{ id: number }>()).id
  }

  async behave(ways: Readonly<Record<string, unknown>>): Promise<void> {
    await fetch(`${this.url}/ways`, { method: 'PUT', body: JSON.stringify(ways) })
  }

  async asked(): Promise<readonly string[]> {
    return (await fetch(`${this.url}/asked`)).json()
  }
}
