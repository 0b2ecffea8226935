// The words of a .proto file, one after the other. Pure; for proto-text.ts.

/** How a reader of a .proto file leaves at once; caught by proto-text.ts. */
export class InvalidProto extends Error {}

const WORD =
  /\s+|\/\/[^\n]*|\/\*[\s\S]*?\*\/|("(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*')|(\.?[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*)|([0-9][\w.]*(?:[eE][+-]?\d+)?)|([{}[\]()<>=;,:+\-/.])/y
const CLOSING: Readonly<Record<string, string>> = { '{': '}', '[': ']', '(': ')' }

export class ProtoTokens {
  readonly #tokens: readonly string[]
  #at = 0

  constructor(text: string) {
    this.#tokens = [...tokensOf(text)]
  }

  get isAtEnd(): boolean {
    return this.#at >= this.#tokens.length
  }

  /** Empty at the end. */
  peek(ahead = 0): string {
    return this.#tokens[this.#at + ahead] ?? ''
  }

  next(): string {
    const token = this.peek()
    if (token === '') throw new InvalidProto('it ends too early')
    this.#at += 1
    return token
  }

  expect(token: string): void {
    const got = this.next()
    if (got !== token) throw new InvalidProto(`expected ${token}, got ${got}`)
  }

  /** Whether it was there. */
  skip(token: string): boolean {
    if (this.peek() !== token) return false
    this.#at += 1
    return true
  }

  name(): string {
    const token = this.next()
    if (!/^\.?[A-Za-z_]/.test(token)) throw new InvalidProto(`expected a name, got ${token}`)
    return token
  }

  /** Decimal, hexadecimal or octal. */
  integer(): number {
    const sign = this.skip('-') ? -1 : 1
    const token = this.next()
    const value = Number(/^0\d/.test(token) ? `0o${token.slice(1)}` : token)
    if (!Number.isSafeInteger(value)) throw new InvalidProto(`expected a whole number, got ${token}`)
    return sign * value
  }

  /** Those side by side are one. Escapes stay: in what is read here, names and paths, there are none. */
  string(): string {
    let text = ''
    do {
      const token = this.next()
      if (!/^["']/.test(token)) throw new InvalidProto(`expected a string, got ${token}`)
      text += token.slice(1, -1)
    } while (/^["']/.test(this.peek()))
    return text
  }

  /** To the semicolon, or the block, that ends a statement. */
  skipStatement(): void {
    for (;;) {
      const token = this.next()
      if (token === ';') return
      if (CLOSING[token] !== undefined) this.#skipTo(CLOSING[token])
      if (token === '{') return void this.skip(';')
    }
  }

  /** An option's value: a word, or a message in braces or brackets. */
  skipValue(): void {
    const token = this.next()
    if (CLOSING[token] !== undefined) return this.#skipTo(CLOSING[token])
    if (token === '-' || token === '+') this.next()
    while (/^["']/.test(token) && /^["']/.test(this.peek())) this.next()
  }

  #skipTo(end: string): void {
    const open = [end]
    while (open.length > 0) {
      const token = this.next()
      if (token === open.at(-1)) open.pop()
      else if (CLOSING[token] !== undefined) open.push(CLOSING[token])
    }
  }
}

function* tokensOf(text: string): Generator<string> {
  const word = new RegExp(WORD)
  while (word.lastIndex < text.length) {
    const at = word.lastIndex
    const match = word.exec(text)
    if (match === null) throw new InvalidProto(`what stands at character ${at} is no Protobuf`)
    const token = match[1] ?? match[2] ?? match[3] ?? match[4]
    if (token !== undefined) yield token
  }
}
