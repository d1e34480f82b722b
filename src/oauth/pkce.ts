// Proof Key for Code Exchange, and the other random values of an authorization request.
// RFC 7636; RFC 6749 section 10.12 for state.

const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'

/** A fresh code verifier: 64 characters, 384 random bits. RFC 7636 section 4.1. */
export function generateCodeVerifier(): string {
  return randomText(64)
}

/** The S256 challenge of a verifier, base64url without padding. RFC 7636 section 4.2. */
export async function generateCodeChallenge(verifier: string): Promise<string> {
  const digest = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(verifier))
  return base64Url(new Uint8Array(digest))
}

/** A fresh `state` or `nonce`: 32 characters, 192 random bits (RFC 6749 section 10.10 asks for 128). */
export function randomState(): string {
  return randomText(32)
}

/** `length` characters of the base64url alphabet, six random bits each. */
function randomText(length: number): string {
  const bytes = crypto.getRandomValues(new Uint8Array(length))
  let text = ''
  for (const byte of bytes) text += alphabet[byte & 63]
  return text
}

function base64Url(bytes: Uint8Array): string {
  return btoa(String.fromCharCode(...bytes))
    .replaceAll('+', '-')
    .replaceAll('/', '_')
    .replace(/=+$/, '')
}
