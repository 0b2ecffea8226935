// Files read as text by Vite's `?raw`.
declare module '*?raw' {
  const text: string
  export default text
}

interface ImportMeta {
  /** Vite's: what the files hold, by path. */
  glob<T>(pattern: string, options: { query: '?raw'; import: 'default'; eager: true }): Record<string, T>
}
