// An API wants more authorization than the grant has: the error that sends somebody to ask the person.
// RFC 6750 section 3.1 (`insufficient_scope`), RFC 9470 (`insufficient_user_authentication`).
import { AuthorizationRequiredError, quote } from '../errors.ts'
import type { StepUp } from './challenge.ts'
import type { TokenSet } from './token-set.ts'

/** The error for what an API asked for: its scopes are those granted and those named, in one. */
export function stepUpError(wanted: StepUp, tokens: TokenSet, provider: string): AuthorizationRequiredError {
  const { maxAgeSeconds } = wanted
  // An API that says the token back in a challenge would have it in consent URLs and logs.
  const scopes = withoutTokens(wanted.scopes, tokens)
  const acrValues = withoutTokens(wanted.acrValues, tokens)
  const [resourceMetadata] = withoutTokens([wanted.resourceMetadata ?? []].flat(), tokens)
  const missing = scopes.filter((scope) => !tokens.scopes.includes(scope))
  const details = {
    provider,
    scopes: [...new Set([...tokens.scopes, ...scopes])],
    challenge: {
      missing,
      ...(acrValues.length === 0 ? {} : { acrValues }),
      ...(maxAgeSeconds === undefined ? {} : { maxAgeSeconds }),
      ...(resourceMetadata === undefined ? {} : { resourceMetadata }),
    },
  }
  return new AuthorizationRequiredError(
    'insufficient_scope',
    messageFor({ ...wanted, acrValues }, missing, provider),
    details,
  )
}

function withoutTokens(words: readonly string[], { accessToken, refreshToken }: TokenSet): readonly string[] {
  const secrets = [accessToken, refreshToken].filter((secret) => secret !== undefined)
  const plain = (word: string) => `${word} ${word.replace(/%([0-9a-f]{2})/gi, unescaped)}`
  return words.filter((word) => !secrets.some((secret) => plain(word).includes(secret)))
}

function unescaped(_: string, hex: string): string {
  return String.fromCharCode(Number.parseInt(hex, 16))
}

function messageFor(wanted: StepUp, missing: readonly string[], provider: string): string {
  if (wanted.error === 'insufficient_scope')
    return missing.length === 0
      ? `${provider} answered that the token lacks a scope, and names none that was not granted. Ask for the scopes that its documentation names for this request.`
      : `${provider} wants further scopes for this request: ${shown(missing)}. Ask the person to consent to \`scopes\`; the grant works on as it is meanwhile.`
  const { acrValues, maxAgeSeconds } = wanted
  const how = [
    ...(acrValues.length === 0 ? [] : [`acr_values ${shown(acrValues)}`]),
    ...(maxAgeSeconds === undefined ? [] : [`max_age ${maxAgeSeconds}`]),
  ]
  const which = how.length === 0 ? '' : ` (${how.join(', ')})`
  return `${provider} wants the person to sign in again for this request${which}. Ask for consent with these parameters; the grant works on as it is meanwhile.`
}

function shown(words: readonly string[]): string {
  return quote(words.join(' '), 400)
}
