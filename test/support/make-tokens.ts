// Tokens for tests: keys of every family, signed with jose, and the verifier's configuration around them.
import { CompactSign, exportJWK, exportSPKI, generateKeyPair, SignJWT, type JWTPayload } from 'jose'
import { parseConfig, type Config } from '../../src/config/parse-config.ts'

/** As in vitest.config.ts. */
export const SECRET = 'a test secret of 32 bytes or more'
const HOUR_SECONDS = 3_600

export function inAnHour(): number {
  return Math.floor(Date.now() / 1_000) + HOUR_SECONDS
}

export function makeConfig(variables: Readonly<Record<string, string>> = {}): Config {
  const config = parseConfig({ JWT_SECRET_KEY: SECRET, ...variables })
  if (!config.ok) throw new Error(config.reason.join('\n'))
  return config.value
}

export function sign(claims: JWTPayload, key: CryptoKey | Uint8Array | string = SECRET, alg = 'HS256', kid?: string) {
  const bytes = typeof key === 'string' ? new TextEncoder().encode(key) : key
  return new SignJWT(claims).setProtectedHeader({ alg, ...(kid === undefined ? {} : { kid }) }).sign(bytes)
}

/** Signs a payload that is JSON already: a number in it may have any digits. */
export function signClaimsText(payload: string): Promise<string> {
  return new CompactSign(new TextEncoder().encode(payload))
    .setProtectedHeader({ alg: 'HS256' })
    .sign(new TextEncoder().encode(SECRET))
}

/** A token of the tests' deployment. */
export function tokenOf(user: string, claims: JWTPayload = {}): Promise<string> {
  return sign({ sub: user, exp: inAnHour(), ...claims })
}

export async function makeKeys(alg: string) {
  const { publicKey, privateKey } = await generateKeyPair(alg, { extractable: true })
  return { privateKey, publicKey, pem: await exportSPKI(publicKey) }
}

/** A key set and the `fetch` that serves it; `requests` tells how often. */
export async function makeKeySet(...keys: readonly { readonly publicKey: CryptoKey; readonly kid?: string }[]) {
  const jwks = await Promise.all(keys.map(async ({ publicKey, kid }) => ({ ...(await exportJWK(publicKey)), kid })))
  const requests: string[] = []
  const fetcher = async (input: RequestInfo | URL) => {
    requests.push(new Request(input).url)
    return Response.json({ keys: jwks })
  }
  return { fetch: fetcher, requests }
}

/** A token that says it needs no signature. */
export function unsigned(claims: JWTPayload): string {
  const encode = (value: unknown) =>
    btoa(JSON.stringify(value)).replace(/=+$/, '').replaceAll('+', '-').replaceAll('/', '_')
  return `${encode({ alg: 'none', typ: 'JWT' })}.${encode(claims)}.`
}

/** An ES256 key made for these tests with openssl, and a certificate of it that is valid until 2126. */
export const CERTIFIED_PRIVATE_KEY = `-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgAQWJM210cbIV0q0D
Lyk+oZEQzb/WIhbjD5Nw42gp55qhRANCAAS0yIObNQzVVJvxCsy0EBpXTM4/SwnN
ArB5s2amnRH8sIWekLHd+yydXHCJaybp383n4QddEmNpennRAMElYgMc
-----END PRIVATE KEY-----`

export const CERTIFICATE = `-----BEGIN CERTIFICATE-----
MIIBgjCCASegAwIBAgIUDkSgj3fYwqWmKiG7sbbQPKcLmDwwCgYIKoZIzj0EAwIw
FTETMBEGA1UEAwwKcmlnZWwgdGVzdDAgFw0yNjExMjQwMjMzNTJaGA8yMTI2MTAz
MTAyMzM1MlowFTETMBEGA1UEAwwKcmlnZWwgdGVzdDBZMBMGByqGSM49AgEGCCqG
SM49AwEHA0IABLTIg5s1DNVUm/EKzLQQGldMzj9LCc0CsHmzZqadEfywhZ6Qsd37
LJ1ccIlrJunfzefhB10SY2l6edEAwSViAxyjUzBRMB0GA1UdDgQWBBSwtSPfhunM
c0782wMrlnDz6TH1STAfBgNVHSMEGDAWgBSwtSPfhunMc0782wMrlnDz6TH1STAP
BgNVHRMBAf8EBTADAQH/MAoGCCqGSM49BAMCA0kAMEYCIQCQaMRBgB0VEbB23aj4
hWGLXR5+BHRR/yESNdtTkIFdhwIhAKYyN5R2i6SEItBfF3Uwx8DyGlit1Exixr4C
fv4qePAs
-----END CERTIFICATE-----`
