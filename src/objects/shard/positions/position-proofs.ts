// Proves that a position was given to a client by this shard, and is not made up: where rules restrict who may read history, a
// client that resumes gets what came since it was there, and no more. A signature (HMAC) over the text of the position, with
// a key of the shard: the log has no column more, and nothing is stored per position. Used by ClientPositions and Resumptions.
import { createHmac } from 'node:crypto'
import { parsePosition, withProof } from '../../../core/identity/position.ts'

const KEY_BYTES = 32
/** 64 bits: guessing takes 2^63 connections. */
const SIGNATURE_CHARS = 16
/** The connections of a shard are sent the same positions one after the other. */
const MAX_REMEMBERED = 256

export class PositionProofs {
  readonly #sql: SqlStorage
  readonly #randomHex: (bytes: number) => string
  #key: string | undefined
  readonly #remembered = new Map<string, string>()

  constructor(sql: SqlStorage, randomHex: (bytes: number) => string) {
    this.#sql = sql
    this.#randomHex = randomHex
  }

  /** `position`: without marks. `sinceSeq`: see PositionProof. */
  sign(position: string, sinceSeq?: number): string {
    return withProof(position, this.#signatureOf(position, sinceSeq), sinceSeq)
  }

  /** Returns after which sequence number of the position's log the client has come; undefined: this shard has not proven it. */
  sinceOf(text: string): number | undefined {
    const { openSeq = 0, proof } = parsePosition(text) ?? {}
    if (proof === undefined) return undefined
    // Comparing takes as long as the texts are alike. That tells nothing over a network: the key is not in them, and each try
    // is a connection, of which a client may open few a minute.
    return proof.signature === this.#signatureOf(proof.body, proof.sinceSeq) ? (proof.sinceSeq ?? openSeq) : undefined
  }

  #signatureOf(position: string, sinceSeq: number | undefined): string {
    const signed = `${position}.${sinceSeq ?? ''}`
    const known = this.#remembered.get(signed)
    if (known !== undefined) return known
    this.#key ??= this.#loadKey()
    const signature = createHmac('sha256', this.#key).update(signed).digest('hex').slice(0, SIGNATURE_CHARS)
    if (this.#remembered.size >= MAX_REMEMBERED) this.#remembered.clear()
    this.#remembered.set(signed, signature)
    return signature
  }

  /** Made when it is first needed: most shards need none. */
  #loadKey(): string {
    this.#sql.exec('CREATE TABLE IF NOT EXISTS position_key (key TEXT NOT NULL)')
    const [stored] = this.#sql.exec<{ key: string }>('SELECT key FROM position_key').toArray()
    if (stored !== undefined) return stored.key
    const key = this.#randomHex(KEY_BYTES)
    this.#sql.exec('INSERT INTO position_key VALUES (?)', key)
    return key
  }
}
