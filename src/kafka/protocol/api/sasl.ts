// SaslHandshake and SaslAuthenticate: which mechanism, and the messages of it.
import type { Api } from './api.ts'

export interface SaslHandshakeResponse {
  readonly errorCode: number
  readonly mechanisms: readonly string[]
}

export const saslHandshake: Api<string, SaslHandshakeResponse> = {
  name: 'SaslHandshake',
  key: 17,
  versions: [1, 1],
  flexibleFrom: 2,
  encode: (writer, mechanism) => writer.string(mechanism),
  decode: (reader) => ({ errorCode: reader.int16(), mechanisms: reader.array(() => reader.string()) }),
}

export interface SaslAuthenticateResponse {
  readonly errorCode: number
  readonly message: string | null
  readonly bytes: Uint8Array
  /** How long the broker keeps a connection without new authentication; 0: for ever. */
  readonly lifetimeMs: number
}

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
