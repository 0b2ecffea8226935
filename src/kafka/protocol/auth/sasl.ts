// SASL mechanisms, each a dialogue: the broker's message in, ours out, null when all is said. PLAIN (RFC 4616), SCRAM
// (RFC 5802, RFC 7677) and OAUTHBEARER (RFC 7628), which is also how MSK knows IAM. Where tokens come from: oauth.ts.
import { fromBase64, toBase64 } from '../../../core/bytes.ts'
import { AuthenticationError } from '../errors.ts'

export interface SaslMechanism {
  /** As in the handshake. */
  readonly name: string
  begin(): SaslDialogue
}

/** The first challenge is empty. Throws an AuthenticationError if the broker cannot be who it should be. */
type SaslDialogue = (challenge: Uint8Array) => Promise<Uint8Array | null>

export interface PasswordCredentials {
  readonly username: string
  readonly password: string
}

/** Web Crypto takes no shared memory. */
type Bytes = Uint8Array<ArrayBuffer>

const encoder = new TextEncoder()
const utf8 = (text: string): Bytes => new Uint8Array(encoder.encode(text))
const decoder = new TextDecoder()

export function plain({ username, password }: PasswordCredentials): SaslMechanism {
  return { name: 'PLAIN', begin: () => inTurn(async () => encoder.encode(`\0${username}\0${password}`)) }
}

/** `getToken` is asked for each connection. */
export function oauthBearer(getToken: () => Promise<string>): SaslMechanism {
  return {
    name: 'OAUTHBEARER',
    begin: () => {
      let refusal = ''
      return inTurn(
        async () => encoder.encode(`n,,\u0001auth=Bearer ${await getToken()}\u0001\u0001`),
        // A refusal comes as a challenge with JSON in it, and has to be answered before it is told as an error.
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
/** What the platform's PBKDF2 does at most. Kafka's own default is 4,096. */
const MAX_ITERATIONS = 100_000

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
  return inTurn(
    async () => encoder.encode(`n,,${first}`),
    async (challenge) => {
      const serverFirst = decoder.decode(challenge)
      const { r = '', s = '', i = '', m } = attributesOf(serverFirst)
      const iterations = Number(i)
      // RFC 5802: whoever does not know an extension must not go on.
      if (m !== undefined) throw new AuthenticationError('Kafka: SCRAM: the broker wants an extension')
      if (!r.startsWith(nonce) || r === nonce) throw new AuthenticationError('Kafka: SCRAM: the nonce is not ours')
      if (!(Number.isInteger(iterations) && iterations >= MIN_ITERATIONS && iterations <= MAX_ITERATIONS)) {
        throw new AuthenticationError(`Kafka: SCRAM: ${MIN_ITERATIONS} to ${MAX_ITERATIONS} iterations, got "${i}"`)
      }
      const salt = fromBase64(s)
      if (salt === undefined) throw new AuthenticationError('Kafka: SCRAM: the salt is not Base64')
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
      const { v, e } = attributesOf(decoder.decode(challenge))
      if (e !== undefined) throw new AuthenticationError(`Kafka: SCRAM: ${e}`)
      if (v !== serverSignature)
        throw new AuthenticationError('Kafka: SCRAM: the broker does not know the password either')
      return null
    },
  )
}

/** The steps of a dialogue, one a challenge; after the last there is nothing to say. */
function inTurn(...steps: readonly SaslDialogue[]): SaslDialogue {
  let turn = 0
  return async (challenge) => {
    const step = steps[turn]
    turn += 1
    return step === undefined ? null : step(challenge)
  }
}

function attributesOf(message: string): Readonly<Record<string, string>> {
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
