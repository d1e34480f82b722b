// Takes what a request carried out of the words that a provider answered: careless servers quote requests in errors.
// RFC 6749 section 5.2 gives descriptions to people, and people put them in logs.

/** What stands where a secret was. */
const redacted = '[redacted]'

/**
 * The text without the secrets, in any encoding that a request or a page gives them, without base64 that holds one
 * (Basic credentials), and without JWTs, which are assertions, proofs or tokens. A secret so short that it turns up in
 * ordinary words is taken out only as a word of its own.
 */
export function withoutSecrets(text: string, secrets: readonly string[]): string {
  return withoutGiven(text, secrets).replace(/\beyJ[\w-]+(?:\.[\w-]*){2,4}/g, redacted)
}

function withoutGiven(text: string, secrets: readonly string[]): string {
  const shown = [...new Set(secrets.filter((secret) => secret !== '').flatMap(encodings))]
  if (shown.length === 0) return text
  const patterns = shown
    .sort((left, right) => right.length - left.length)
    .map((secret) => {
      const pattern = secret.replace(/[^\w\s]/g, '\\$&')
      return secret.length < 8 ? `(?<!\\w)${pattern}(?!\\w)` : pattern
    })
  const pattern = patterns.join('|')
  const inside = new RegExp(pattern)
  return text
    .replace(new RegExp(pattern, 'g'), redacted)
    .replace(/[\w+/-]{16,}={0,2}/g, (run) => (inside.test(fromBase64(run)) ? redacted : run))
}

function encodings(given: string): string[] {
  const secret = given.toWellFormed()
  const form = new URLSearchParams([['', secret]]).toString().slice(1)
  const decodedTwice = secret.replaceAll('+', ' ')
  const shown = [secret, encodeURIComponent(secret), form, decodedTwice]
  return [...shown.flatMap((text) => [text, JSON.stringify(text).slice(1, -1)]), ...htmlOf(secret)]
}

const entities: Readonly<Record<string, string>> = {
  '&': 'amp',
  '<': 'lt',
  '>': 'gt',
  '"': 'quot',
  "'": 'apos',
}

function htmlOf(secret: string): string[] {
  const byNumber = (text: string) => text.replace(/[&<>"'`]/g, (each) => `&#${each.charCodeAt(0)};`)
  const byName = (text: string) => text.replace(/[&<>"']/g, (each) => `&${entities[each]};`)
  const byNameExceptQuotes = byName(secret).replaceAll('&apos;', "'")
  return [byNumber(secret), byName(secret), byNameExceptQuotes, byNameExceptQuotes.replaceAll("'", '&#39;')]
}

/** What base64 or base64url stands for, as text; empty when it is neither. */
function fromBase64(run: string): string {
  try {
    const binary = atob(run.replaceAll('-', '+').replaceAll('_', '/'))
    return new TextDecoder().decode(Uint8Array.from(binary, (character) => character.charCodeAt(0)))
  } catch {
    return ''
  }
}
