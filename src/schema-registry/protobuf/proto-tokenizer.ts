// Splits the text of a .proto file into tokens. Pure. For proto-parser.ts.
// https://protobuf.dev/reference/protobuf/proto3-spec/#lexical_elements

/** Thrown within this folder for a text that is not Protobuf; caught by proto-parser.ts. */
export class InvalidProto extends Error {}

const WORD =
  /\s+|\/\/[^\n]*|\/\*[\s\S]*?\*\/|("(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*')|(\.?[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*)|(0[xX][0-9A-Fa-f]+|(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?[fF]?)|([{}[\]()<>=;,:+\-/.])/y
const CLOSING: ReadonlyMap<string, string> = new Map([
  ['{', '}'],
  ['[', ']'],
  ['(', ')'],
])
const ESCAPES: ReadonlyMap<string, string> = new Map(
  Object.entries({ a: '\u0007', b: '\b', f: '\f', n: '\n', r: '\r', t: '\t', v: '\v' }),
)

export class ProtoTokens {
  readonly #tokens: readonly string[]
  #at = 0

  constructor(text: string) {
    this.#tokens = [...tokensOf(text)]
  }

  get isAtEnd(): boolean {
    return this.#at >= this.#tokens.length
  }

  /** Returns the next token without taking it; empty at the end. */
  peek(ahead = 0): string {
    return this.#tokens[this.#at + ahead] ?? ''
  }

  next(): string {
    const token = this.peek()
    if (token === '') throw new InvalidProto('the file ends too early')
    this.#at += 1
    return token
  }

  expect(token: string): void {
    const got = this.next()
    if (got !== token) throw new InvalidProto(`expected ${token}, got ${got}`)
  }

  /** Takes the token if it is next, and returns whether it was. */
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

  /** Adjacent strings are one. */
  string(): string {
    let text = ''
    do {
      const token = this.next()
      if (!/^["']/.test(token)) throw new InvalidProto(`expected a string, got ${token}`)
      text += unescape(token.slice(1, -1))
    } while (/^["']/.test(this.peek()))
    return text
  }

  /** Skips to the semicolon or block that ends a statement. */
  skipStatement(): void {
    for (;;) {
      const token = this.next()
      if (token === ';') return
      this.#skipGroup(token)
      if (token === '{') return void this.skip(';')
    }
  }

  /** Skips an option's value: a constant, or a message in braces or brackets. */
  skipValue(): void {
    const token = this.next()
    if (this.#skipGroup(token)) return
    if (token === '-' || token === '+') this.next()
    while (/^["']/.test(token) && /^["']/.test(this.peek())) this.next()
  }

  /** Skips to the end of the group that `token` opens, if it opens one. */
  #skipGroup(token: string): boolean {
    const end = CLOSING.get(token)
    if (end === undefined) return false
    const open = [end]
    while (open.length > 0) {
      const next = this.next()
      const inner = CLOSING.get(next)
      if (next === open.at(-1)) open.pop()
      else if (inner !== undefined) open.push(inner)
    }
    return true
  }
}

/** Octal, hexadecimal and Unicode escapes, and those of C. */
function unescape(text: string): string {
  return text.replaceAll(
    /\\(?:([0-7]{1,3})|[xX]([0-9A-Fa-f]{1,2})|u([0-9A-Fa-f]{4})|U([0-9A-Fa-f]{8})|(.))/gs,
    (_, ...groups) => {
      const [octal, hex, short, long, char] = groups as (string | undefined)[]
      if (octal !== undefined) return String.fromCodePoint(Number.parseInt(octal, 8) & 0xff)
      const code = Number.parseInt(hex ?? short ?? long ?? '', 16)
      if (Number.isNaN(code)) return ESCAPES.get(char ?? '') ?? char ?? ''
      if (code > 0x10ffff) throw new InvalidProto(`\\U${long} is not a Unicode character`)
      return String.fromCodePoint(code)
    },
  )
}

function* tokensOf(text: string): Generator<string> {
  const word = new RegExp(WORD)
  while (word.lastIndex < text.length) {
    const at = word.lastIndex
    const match = word.exec(text)
    if (match === null) throw new InvalidProto(`the text at character ${at} is not Protobuf`)
    const token = match[1] ?? match[2] ?? match[3] ?? match[4]
    if (token !== undefined) yield token
  }
}
