// The scopes that an answer grants, in whichever member and form (R8).
// RFC 6749 sections 3.3 and 5.1: text joined by spaces; lists, commas and other names are what providers send.
import { type Provider, splitScopes } from '../providers/index.ts'
import type { Found } from './member-names.ts'
import type { Find } from './token-place.ts'

/** Scopes, and the member that named them. */
export interface GrantedScopes {
  scopes: string[]
  found: Found
}

const names = ['scope', 'scopes', 'granted_scopes', 'granted_permissions', 'permissions'] as const

/** `scope` as text or list (`scopes`: Bitbucket, Qiita). Empty or absent says nothing: then it is what was asked for. */
export function scopesIn(find: Find, provider: Provider): GrantedScopes | undefined {
  for (const name of provider.scopeParam === undefined ? names : ['scope', provider.scopeParam, ...names]) {
    const found = find(name)
    if (found === undefined) continue
    const list: unknown[] = Array.isArray(found.value) ? found.value : [found.value]
    const numbered = list.length > 0 && list.every((scope) => typeof scope === 'number') // TikTok for Business
    const texts = numbered ? list.map(String) : list.filter((scope) => typeof scope === 'string')
    const scopes = new Set(texts.flatMap((text) => splitText(provider, text)).filter(isAskable))
    if (scopes.size > 0) return { scopes: [...scopes], found }
  }
  return undefined
}

/**
 * A text that was percent-encoded once too often; joined by semicolons; or a list that became text, `["a","b"]` (no
 * scope holds a quotation mark).
 */
function splitText(provider: Provider, text: string): string[] {
  const decoded = text.replaceAll('%20', ' ').replaceAll('%2C', ',').replaceAll('"', ' ').trim()
  const plain = decoded.startsWith('[') && decoded.endsWith(']') ? decoded.slice(1, -1) : decoded
  const scopes = splitScopes(provider, plain)
  return scopes.length === 1 ? plain.split(/[;\s]+/).filter((scope) => scope !== '') : scopes
}

/** With control characters in it, no later request could name it (RFC 6749 section 3.3). */
function isAskable(scope: string): boolean {
  return !/\p{Cc}/u.test(scope)
}
