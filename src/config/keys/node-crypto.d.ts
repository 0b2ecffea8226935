// The part of node:crypto that Rigel uses. All of @types/node would replace the types of Workers.
declare module 'node:crypto' {
  export interface KeyObject {
    readonly asymmetricKeyType?: string
    readonly asymmetricKeyDetails?: { readonly modulusLength?: number; readonly namedCurve?: string }
  }
  /** Throws if the text is no PEM public key. */
  export function createPublicKey(pem: string): KeyObject
  interface Hmac {
    update(text: string): Hmac
    digest(encoding: 'hex'): string
  }
  export function createHmac(algorithm: 'sha256', key: string): Hmac
  export class X509Certificate {
    /** Throws if the text is no PEM certificate. */
    constructor(pem: string)
    readonly publicKey: KeyObject
  }
}
