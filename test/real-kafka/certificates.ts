// A certificate authority of the test's own, and a key store with a certificate for `localhost` from it, made by Java's
// keytool: what a broker with TLS needs, and what whoever trusts it needs.
import { execFileSync } from 'node:child_process'
import { join } from 'node:path'

const KEY = ['-keyalg', 'EC', '-groupname', 'secp256r1', '-validity', '2']

export interface Certificates {
  /** PKCS12, for the broker. */
  readonly keyStore: string
  readonly password: string
  /** PEM: the authority, for clients. */
  readonly caFile: string
}

export function makeCertificates(folder: string): Certificates {
  const password = 'changeit'
  const keyStore = join(folder, 'broker.p12')
  const caStore = join(folder, 'ca.p12')
  const caFile = join(folder, 'ca.pem')
  const run = (store: string, args: readonly string[], input = '') =>
    execFileSync(keytool(), [...args, '-keystore', store, '-storetype', 'PKCS12', '-storepass', password], {
      input,
      encoding: 'utf8',
      stdio: ['pipe', 'pipe', 'ignore'],
    })
  const ofAuthority = ['-ext', 'bc:c=ca:true', '-ext', 'ku:c=keyCertSign,cRLSign']
  run(caStore, ['-genkeypair', '-alias', 'ca', ...KEY, '-dname', 'CN=a test of rigel', ...ofAuthority])
  run(caStore, ['-exportcert', '-rfc', '-alias', 'ca', '-file', caFile])
  run(keyStore, ['-genkeypair', '-alias', 'broker', ...KEY, '-dname', 'CN=localhost'])
  const request = run(keyStore, ['-certreq', '-alias', 'broker'])
  const ofServer = ['-validity', '2', '-ext', 'san=dns:localhost', '-ext', 'eku=serverAuth']
  const certificate = run(caStore, ['-gencert', '-rfc', '-alias', 'ca', ...ofServer], request)
  const authority = run(caStore, ['-exportcert', '-rfc', '-alias', 'ca'])
  run(keyStore, ['-importcert', '-noprompt', '-alias', 'broker'], certificate + authority)
  return { keyStore, password, caFile }
}

function keytool(): string {
  const home = process.env['JAVA_HOME']
  return home ? join(home, 'bin', 'keytool') : 'keytool'
}
