// Random values that are the same in every run: a property that fails can be looked at again. And bytes as texts.

export class Dice {
  #state: number

  constructor(seed: number) {
    this.#state = seed >>> 0
  }

  /** In [0, 1): mulberry32. */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), this.#state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }

  /** Below `limit`. */
  integer(limit: number): number {
    return Math.floor(this.next() * limit)
  }

  /** Of any size up to 2^bits, small ones as often as large ones; negative half the time. */
  signed(bits: number): number {
    const value = Math.floor(this.next() * 2 ** (1 + this.integer(bits)))
    return this.next() < 0.5 ? 0 - value : value
  }

  bytes(length: number): Uint8Array<ArrayBuffer> {
    return Uint8Array.from({ length }, () => this.integer(256))
  }

  text(length: number): string {
    return Array.from({ length }, () => ['a', 'é', '漢', '🦎', '\0', ','][this.integer(6)]).join('')
  }
}

export const hexOf = (bytes: Uint8Array): string =>
  bytes.reduce((hex, byte) => hex + byte.toString(16).padStart(2, '0'), '')

export const fromBase64 = (text: string): Uint8Array =>
  Uint8Array.from(atob(text), (character) => character.charCodeAt(0))

export const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text)
