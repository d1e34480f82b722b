// A self-signed certificate for this machine's own names: RFC 5280 section 4.1, through a library.

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
export async function selfSignedForLocalhost({ notBefore, notAfter }: Validity): Promise<SelfSigned> {
  const { generate } = await import('selfsigned')
  const made = await generate([{ name: 'commonName', value: 'localhost' }], {
    keyType: 'ec',
    curve: 'P-256',
    algorithm: 'sha256',
    notBeforeDate: notBefore,
    notAfterDate: notAfter,
    extensions: [
      { name: 'basicConstraints', cA: false, critical: true },
      { name: 'keyUsage', digitalSignature: true, critical: true },
      { name: 'extKeyUsage', serverAuth: true },
      {
        name: 'subjectAltName',
        altNames: [
          { type: 2, value: 'localhost' },
          { type: 7, ip: '127.0.0.1' },
          { type: 7, ip: '::1' },
        ],
      },
    ],
  })
  return { cert: withEnd(made.cert), key: withEnd(made.private) }
}

/** PEM as OpenSSL writes it: line feeds only, one at the end. */
function withEnd(pem: string): string {
  return `${pem.replaceAll('\r', '').trimEnd()}\n`
}
