// A self-signed certificate for this machine's own names, written out in DER: RFC 5280 section 4.1, X.690 section 8.
// By hand, because it is one fixed structure, and the libraries that could build it bring twenty packages along.
import type { KeyObject } from 'node:crypto'

/** A certificate and its private key, both PEM. */
export interface SelfSigned {
  cert: string
  /** PKCS#8. Secret. */
  key: string
}

/** How long a {@link SelfSigned} is good for. */
export interface Validity {
  notBefore: Date
  notAfter: Date
}

/** Makes a P-256 key and a certificate for `localhost`, `127.0.0.1` and `::1` that can do nothing but serve TLS. */
export function selfSignedForLocalhost(validity: Validity): SelfSigned {
  const { generateKeyPairSync, sign } = process.getBuiltinModule('node:crypto')
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'prime256v1' })
  const body = certificateBody(publicKey, validity)
  const signature = sign('sha256', body, privateKey)
  return {
    cert: pem('CERTIFICATE', sequence(body, ecdsaWithSha256(), bitString(signature))),
    key: String(privateKey.export({ type: 'pkcs8', format: 'pem' })),
  }
}

/** TBSCertificate, version 3. */
function certificateBody(publicKey: KeyObject, { notBefore, notAfter }: Validity): Buffer {
  const { randomBytes } = process.getBuiltinModule('node:crypto')
  return sequence(
    explicit(0, integer(Buffer.of(2))),
    integer(randomBytes(16)), // at least 64 random bits, at most 20 octets
    ecdsaWithSha256(),
    name(),
    sequence(time(notBefore), time(notAfter)),
    name(),
    publicKey.export({ type: 'spki', format: 'der' }),
    explicit(3, sequence(...extensions())),
  )
}

/** Not an authority; signs only TLS handshakes of servers; these names (RFC 5280 sections 4.2.1.3, .6, .9 and .12). */
function extensions(): Buffer[] {
  const names = [
    tagged(0x82, Buffer.from('localhost')), // dNSName
    tagged(0x87, Buffer.of(127, 0, 0, 1)), // iPAddress
    tagged(0x87, Buffer.of(...new Array<number>(15).fill(0), 1)),
  ]
  return [
    extension([0x55, 0x1d, 0x13], true, sequence()), // basicConstraints: cA is false by default
    extension([0x55, 0x1d, 0x0f], true, tagged(0x03, Buffer.of(7, 0x80))), // keyUsage: digitalSignature
    extension([0x55, 0x1d, 0x25], false, sequence(oid([0x2b, 6, 1, 5, 5, 7, 3, 1]))), // extKeyUsage: serverAuth
    extension([0x55, 0x1d, 0x11], false, sequence(...names)), // subjectAltName
  ]
}

function extension(id: number[], critical: boolean, value: Buffer): Buffer {
  const flag = critical ? [tagged(0x01, Buffer.of(0xff))] : []
  return sequence(oid(id), ...flag, tagged(0x04, value))
}

/** `O=toolgrant (made on this computer), CN=localhost`: issuer and subject alike. */
function name(): Buffer {
  const part = (id: number, text: string) =>
    tagged(0x31, sequence(oid([0x55, 0x04, id]), tagged(0x0c, Buffer.from(text))))
  return sequence(part(0x0a, 'toolgrant (made on this computer)'), part(0x03, 'localhost'))
}

function ecdsaWithSha256(): Buffer {
  return sequence(oid([0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 2]))
}

/** UTCTime until 2049, GeneralizedTime from then on (RFC 5280 section 4.1.2.5). */
function time(date: Date): Buffer {
  const digits = `${date.toISOString().replace(/[-:T]/g, '').slice(0, 14)}Z`
  const year = date.getUTCFullYear()
  return year < 2050 ? tagged(0x17, Buffer.from(digits.slice(2))) : tagged(0x18, Buffer.from(digits))
}

/** A positive INTEGER: no superfluous leading zeros, and one where the first bit would mean a minus. */
function integer(bytes: Buffer): Buffer {
  const first = bytes.findIndex((byte) => byte !== 0)
  const short = first < 0 ? Buffer.of(0) : bytes.subarray(first)
  return tagged(0x02, (short[0] ?? 0) > 0x7f ? Buffer.concat([Buffer.of(0), short]) : short)
}

function bitString(bytes: Buffer): Buffer {
  return tagged(0x03, Buffer.concat([Buffer.of(0), bytes]))
}

function oid(encoded: number[]): Buffer {
  return tagged(0x06, Buffer.from(encoded))
}

function sequence(...parts: Buffer[]): Buffer {
  return tagged(0x30, Buffer.concat(parts))
}

function explicit(tag: number, part: Buffer): Buffer {
  return tagged(0xa0 | tag, part)
}

/** Tag, definite length in as few octets as possible, content. */
function tagged(tag: number, content: Buffer): Buffer {
  const { length } = content
  const head = length < 0x80 ? [length] : length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff]
  return Buffer.concat([Buffer.of(tag, ...head), content])
}

function pem(label: string, der: Buffer): string {
  const lines = der.toString('base64').match(/.{1,64}/g) ?? []
  return `-----BEGIN ${label}-----\n${lines.join('\n')}\n-----END ${label}-----\n`
}
