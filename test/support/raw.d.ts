// Files read as text by Vite's `?raw`.
declare module '*?raw' {
  const text: string
  export default text
}

interface ImportMeta {
  /** Vite's: what the files hold, by path. */
  glob<T>(pattern: string, options: { query: '?raw'; import: 'default'; eager: true }): Record<string, T>
}

/** The `phoenix` package's own serializer V2: its types do not name it. */
declare module '*/phoenix/serializer.js' {
  interface PhoenixMessage {
    join_ref: string | null
    ref: string | null
    topic: string
    event: string
    payload: unknown
  }
  const serializer: {
    encode(message: PhoenixMessage, callback: (encoded: never) => void): void
    decode(text: string, callback: (message: PhoenixMessage) => void): void
  }
  export default serializer
}
