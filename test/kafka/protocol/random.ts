// Random values that are the same in every run, so that a failure can be repeated. And bytes as texts.
import { createRandom, type Random } from '../../../scripts/random.ts'

export class RandomValues {
  readonly #random: Random

  constructor(seed: number) {
    this.#random = createRandom(seed)
  }

  /** In [0, 1). */
  next(): number {
    return this.#random.next()
  }

  /** Below `limit`. */
  integer(limit: number): number {
    return this.#random.below(limit)
  }

  /** Of any size up to 2^bits, small ones as often as large ones; negative half the time. */
  signed(bits: number): number {
    const value = Math.floor(this.next() * 2 ** (1 + this.integer(bits)))
    return this.next() < 0.5 ? 0 - value : value
  }

  bytes(length: number): Uint8Array<ArrayBuffer> {
    return this.#random.bytes(length)
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
