// SaslHandshake (key 17, KIP-43) and SaslAuthenticate (key 36, KIP-152).
import type { Api } from './api.ts'

/** `mechanisms` are those that the listener accepts. */
export interface SaslHandshakeResponse {
  readonly errorCode: number
  readonly mechanisms: readonly string[]
}

/** Chooses the mechanism by name. */
export const saslHandshake: Api<string, SaslHandshakeResponse> = {
  name: 'SaslHandshake',
  key: 17,
  versions: [1, 1],
  flexibleFrom: 2,
  encode: (writer, mechanism) => writer.string(mechanism),
  decode: (reader) => ({ errorCode: reader.int16(), mechanisms: reader.array(() => reader.string()) }),
}

/** The broker's next challenge, or its error. */
export interface SaslAuthenticateResponse {
  readonly errorCode: number
  readonly message: string | null
  readonly bytes: Uint8Array
  /** Session lifetime in milliseconds (KIP-368). 0 means no limit. */
  readonly lifetimeMs: number
}

/** Carries one message of the mechanism. */
export const saslAuthenticate: Api<Uint8Array, SaslAuthenticateResponse> = {
  name: 'SaslAuthenticate',
  key: 36,
  versions: [0, 2],
  flexibleFrom: 2,
  encode(writer, bytes) {
    writer.bytes(bytes)
    writer.end()
  },
  decode: (reader, version) => ({
    errorCode: reader.int16(),
    message: reader.nullableString(),
    bytes: reader.nullableBytes() ?? new Uint8Array(),
    lifetimeMs: version >= 1 ? reader.int64() : 0,
  }),
}
