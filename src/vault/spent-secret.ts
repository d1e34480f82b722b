// What a renewal uses up, as far as it uses up anything: what the intent of a refresh is recognised by.
// RFC 9700 section 4.14.2: refresh tokens may be good for one use; RFC 6749 section 4.4: a client may ask as often as it likes.
import { renewsByClient, type TokenSet } from '../oauth/index.ts'

/** The secret that stands for a renewal of these tokens, the same at each try. Never a password. */
export function spentSecret({ refreshToken, accessToken }: TokenSet): string {
  return refreshToken ?? accessToken
}

/** Whether a renewal whose outcome nobody knows may have used up what the next one needs. */
export function isSpentByUse(tokens: TokenSet): boolean {
  return tokens.refreshToken !== undefined && !renewsByClient(tokens)
}
