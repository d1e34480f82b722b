// The certificates of one test run: an authority, the server's own, and what clients present (RFC 8705).
// Made when a server with `mtls` starts; nothing of them is kept.
import { createPublicKey, X509Certificate } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import type { TLSSocket } from 'node:tls'
import { generate } from 'selfsigned'

/** A certificate and its private key, both PEM. */
export interface CertificatePair {
  cert: string
  key: string
}

/** What a server with mutual TLS has to do with. */
export interface TestCertificates {
  /** The authority that signed `server` and `client`. PEM. */
  ca: string
  server: CertificatePair
  /** Signed by the authority: for `tls_client_auth`. Its subject is `CN=toolgrant-client`, its name `client.example.com`. */
  client: CertificatePair
  /** Signed by itself: for `self_signed_tls_client_auth`. */
  selfSigned: CertificatePair
  /** Signed by itself and registered nowhere. */
  stranger: CertificatePair
}

/** Makes them, P-256 all of them. */
export async function makeCertificates(): Promise<TestCertificates> {
  const authority = await make('toolgrant test authority', {
    extensions: [
      { name: 'basicConstraints', cA: true, critical: true },
      { name: 'keyUsage', keyCertSign: true, critical: true },
    ],
  })
  const ca = { cert: authority.cert, key: authority.key }
  const [server, client, selfSigned, stranger] = await Promise.all([
    make('localhost', { ca, extensions: serverExtensions }),
    make('toolgrant-client', { ca, extensions: clientExtensions }),
    make('toolgrant-self-signed', { extensions: clientExtensions }),
    make('stranger', { extensions: clientExtensions }),
  ])
  return { ca: authority.cert, server, client, selfSigned, stranger }
}

type Options = NonNullable<Parameters<typeof generate>[1]>

const serverExtensions: NonNullable<Options['extensions']> = [
  { name: 'basicConstraints', cA: false },
  { name: 'extKeyUsage', serverAuth: true },
  {
    name: 'subjectAltName',
    altNames: [
      { type: 2, value: 'localhost' },
      { type: 7, ip: '127.0.0.1' },
    ],
  },
]

const clientExtensions: NonNullable<Options['extensions']> = [
  { name: 'basicConstraints', cA: false },
  { name: 'extKeyUsage', clientAuth: true },
  { name: 'subjectAltName', altNames: [{ type: 2, value: 'client.example.com' }] },
]

async function make(commonName: string, options: Options): Promise<CertificatePair> {
  const day = 24 * 3600 * 1000
  const made = await generate([{ name: 'commonName', value: commonName }], {
    keyType: 'ec',
    curve: 'P-256',
    algorithm: 'sha256',
    notBeforeDate: new Date(Date.now() - day),
    notAfterDate: new Date(Date.now() + 30 * day),
    ...options,
  })
  return { cert: lineFeedsOnly(made.cert), key: lineFeedsOnly(made.private) }
}

function lineFeedsOnly(pem: string): string {
  return `${pem.replaceAll('\r', '').trimEnd()}\n`
}

/** A certificate as a member of a client's JWKS (RFC 8705 section 2.2.2). */
export function certificateJwk(pem: string): Record<string, unknown> {
  const certificate = new X509Certificate(pem)
  return {
    ...createPublicKey(pem).export({ format: 'jwk' }),
    kid: certificateThumbprint(certificate),
    x5c: [certificate.raw.toString('base64')],
  }
}

/** The `x5t#S256` of a certificate (RFC 8705 section 3.1), of PEM text too. */
export function certificateThumbprint(certificate: X509Certificate | string): string {
  const parsed = typeof certificate === 'string' ? new X509Certificate(certificate) : certificate
  return Buffer.from(parsed.fingerprint256.replaceAll(':', ''), 'hex').toString('base64url')
}

/** The certificate that the other side of a request presented, if it came over TLS and had one. */
export function peerCertificate(request: IncomingMessage): X509Certificate | undefined {
  return (request.socket as Partial<TLSSocket>).getPeerX509Certificate?.()
}

/** oidc-provider's `features.mTLS` callbacks: it asks the application, because most of them are behind a proxy. */
export const certificateCallbacks = {
  getCertificate: (ctx: { req: IncomingMessage }) => peerCertificate(ctx.req),
  certificateAuthorized: (ctx: { req: IncomingMessage }) =>
    (ctx.req.socket as Partial<TLSSocket>).authorized === true,
  certificateSubjectMatches: (ctx: { req: IncomingMessage }, property: string, expected: string) => {
    const certificate = peerCertificate(ctx.req)
    if (property === 'tls_client_auth_subject_dn') return certificate?.subject === expected
    if (property === 'tls_client_auth_san_dns') return certificate?.subjectAltName === `DNS:${expected}`
    return false
  },
}
