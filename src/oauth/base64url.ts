// base64url without padding, on any web-standard runtime. RFC 7515 section 2, RFC 4648 section 5.

/** Of bytes. */
export function base64urlOfBytes(bytes: Uint8Array): string {
  return base64urlOfAscii(String.fromCharCode(...bytes))
}

/** Of text whose characters are all below U+0100. */
export function base64urlOfAscii(text: string): string {
  return btoa(text).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '')
}
