// base64url without padding, on any web-standard runtime. RFC 7515 section 2, RFC 4648 section 5.

const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'

/** Of bytes. A few dozen: more are quicker through `btoa`. */
export function base64urlOfBytes(bytes: Uint8Array): string {
  let text = ''
  for (let at = 0; at < bytes.length; at += 3) {
    const [first = 0, second, third] = [bytes[at], bytes[at + 1], bytes[at + 2]]
    text += alphabet.charAt(first >> 2) + alphabet.charAt(((first & 3) << 4) | ((second ?? 0) >> 4))
    if (second !== undefined) text += alphabet.charAt(((second & 15) << 2) | ((third ?? 0) >> 6))
    if (third !== undefined) text += alphabet.charAt(third & 63)
  }
  return text
}

/** Of text whose characters are all below U+0100. */
export function base64urlOfAscii(text: string): string {
  return btoa(text).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '')
}
