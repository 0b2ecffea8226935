// SASL mechanisms: PLAIN (RFC 4616), SCRAM (RFC 5802, RFC 7677) and OAUTHBEARER (RFC 7628), which MSK IAM also uses. Each
// turns the broker's challenge into the client's next message. Tokens come from oauth.ts. Used by authenticate.ts.
import { fromBase64, toBase64 } from '../../../core/bytes.ts'
import { AuthenticationError } from '../errors.ts'

/** One configured mechanism. */
export interface SaslMechanism {
  /** The name in the SaslHandshake request. */
  readonly name: string
  /** Starts an exchange for one connection. */
  begin(): SaslDialogue
}

/** Returns the client's next message, or null at the end. The first challenge is empty. Throws an AuthenticationError. */
type SaslDialogue = (challenge: Uint8Array) => Promise<Uint8Array | null>

/** User name and password, any Unicode text. */
export interface PasswordCredentials {
  readonly username: string
  readonly password: string
}

/** Web Crypto accepts no SharedArrayBuffer. */
type Bytes = Uint8Array<ArrayBuffer>

const encoder = new TextEncoder()
const utf8 = (text: string): Bytes => new Uint8Array(encoder.encode(text))
const decoder = new TextDecoder()

/** Returns the mechanism PLAIN (RFC 4616), which sends the password as it is: use it with TLS. */
export function plain({ username, password }: PasswordCredentials): SaslMechanism {
  return { name: 'PLAIN', begin: () => runSteps(async () => encoder.encode(`\0${username}\0${password}`)) }
}

/** Returns the mechanism OAUTHBEARER (RFC 7628, KIP-255). `getToken` is called once per connection. */
export function oauthBearer(getToken: () => Promise<string>): SaslMechanism {
  return {
    name: 'OAUTHBEARER',
    begin: () => {
      let refusal = ''
      return runSteps(
        async () => encoder.encode(`n,,\u0001auth=Bearer ${await getToken()}\u0001\u0001`),
        // RFC 7628, section 3.2.3: an error arrives as a JSON challenge, and the client answers it with one byte.
        async (challenge) => {
          refusal = decoder.decode(challenge)
          return challenge.length === 0 ? null : encoder.encode('\u0001')
        },
        async () => {
          throw new AuthenticationError(`Kafka: OAUTHBEARER: ${refusal}`)
        },
      )
    },
  }
}

const MIN_ITERATIONS = 4_096
/** The platform's PBKDF2 allows no more. Kafka's default is 4,096. */
const MAX_ITERATIONS = 100_000

/** Returns the mechanism SCRAM (RFC 5802, KIP-84). `randomBytes` provides the client nonce. */
export function scram(
  hash: 'SHA-256' | 'SHA-512',
  { username, password }: PasswordCredentials,
  randomBytes: (count: number) => Uint8Array,
): SaslMechanism {
  return { name: `SCRAM-${hash}`, begin: () => beginScram(hash, username, password, randomBytes) }
}

function beginScram(
  hash: string,
  username: string,
  password: string,
  randomBytes: (count: number) => Uint8Array,
): SaslDialogue {
  const nonce = toBase64(randomBytes(24))
  const first = `n=${username.replaceAll('=', '=3D').replaceAll(',', '=2C')},r=${nonce}`
  let serverSignature = ''
  return runSteps(
    async () => encoder.encode(`n,,${first}`),
    async (challenge) => {
      const serverFirst = decoder.decode(challenge)
      const { r = '', s = '', i = '', m } = parseAttributes(serverFirst)
      const iterations = Number(i)
      // RFC 5802, section 5.1: a client that does not know the extension must fail.
      if (m !== undefined) throw new AuthenticationError('Kafka: SCRAM: the broker requires an unknown extension')
      if (!r.startsWith(nonce) || r === nonce)
        throw new AuthenticationError('Kafka: SCRAM: the broker did not return the client nonce')
      if (!(Number.isInteger(iterations) && iterations >= MIN_ITERATIONS && iterations <= MAX_ITERATIONS)) {
        throw new AuthenticationError(
          `Kafka: SCRAM: iterations must be ${MIN_ITERATIONS} to ${MAX_ITERATIONS}, got "${i}"`,
        )
      }
      const salt = fromBase64(s)
      if (salt === undefined) throw new AuthenticationError('Kafka: SCRAM: the salt is not base64')
      const withoutProof = `c=biws,r=${r}`
      const salted = await saltPassword(hash, password, salt, iterations)
      const message = utf8(`${first},${serverFirst},${withoutProof}`)
      const clientKey = await hmac(hash, salted, utf8('Client Key'))
      const storedKey = new Uint8Array(await crypto.subtle.digest(hash, clientKey))
      const signature = await hmac(hash, storedKey, message)
      const proof = clientKey.map((byte, at) => byte ^ (signature[at] ?? 0))
      serverSignature = toBase64(await hmac(hash, await hmac(hash, salted, utf8('Server Key')), message))
      return encoder.encode(`${withoutProof},p=${toBase64(proof)}`)
    },
    async (challenge) => {
      const { v, e } = parseAttributes(decoder.decode(challenge))
      if (e !== undefined) throw new AuthenticationError(`Kafka: SCRAM: ${e}`)
      if (v !== serverSignature)
        throw new AuthenticationError('Kafka: SCRAM: the broker could not prove that it knows the password')
      return null
    },
  )
}

/** Runs one step per challenge, and returns null after the last. */
function runSteps(...steps: readonly SaslDialogue[]): SaslDialogue {
  let turn = 0
  return async (challenge) => {
    const step = steps[turn]
    turn += 1
    return step === undefined ? null : step(challenge)
  }
}

function parseAttributes(message: string): Readonly<Record<string, string>> {
  return Object.fromEntries(message.split(',').map((part) => [part.slice(0, 1), part.slice(2)]))
}

async function saltPassword(hash: string, password: string, salt: Bytes, iterations: number): Promise<Bytes> {
  const key = await crypto.subtle.importKey('raw', utf8(password), 'PBKDF2', false, ['deriveBits'])
  const bits = hash === 'SHA-256' ? 256 : 512
  return new Uint8Array(await crypto.subtle.deriveBits({ name: 'PBKDF2', hash, salt, iterations }, key, bits))
}

async function hmac(hash: string, secret: Bytes, message: Bytes): Promise<Bytes> {
  const key = await crypto.subtle.importKey('raw', secret, { name: 'HMAC', hash }, false, ['sign'])
  return new Uint8Array(await crypto.subtle.sign('HMAC', key, message))
}
