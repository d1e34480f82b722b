// Where a provider's requests differ from the RFCs in names and members: the quirk tags of the facts dataset.
// RFC 6749 sections 4.1.3 and 6 say what they differ from. Each tag is read here and nowhere else.
import type { MtlsEndpoint, Provider } from '../providers/index.ts'
import type { Registration } from './client.ts'
import type { EndpointCall } from './hooks.ts'
import { hasQuirk, quirkValue } from './quirk.ts'

/**
 * Rewrites a request that was built by the RFCs into the one that the provider reads. The client's id and secret have
 * their names everywhere; the rest is about token and revocation requests.
 */
export function applyQuirks(call: EndpointCall, registration: Registration, endpoint: MtlsEndpoint): void {
  const { provider, client } = registration
  if (
    provider.quirks === undefined &&
    provider.tokenParams === undefined &&
    provider.refreshParams === undefined
  )
    return
  if (endpoint === 'tokenUrl') {
    ownGrantType(call, provider)
    fillParameters(call, registration)
    if (
      call.name === 'refresh_token' &&
      hasQuirk(provider, 'refresh-needs-redirect-uri') &&
      client.redirectUri
    )
      setDefault(call.parameters, 'redirect_uri', client.redirectUri)
    dropForbidden(call, provider)
    rename(call.parameters, 'code', quirkValue(provider, 'code-param'))
    // Untappd wants its own name here, too; Walmart wants it in the authorization request alone.
    repeat(call.parameters, 'redirect_uri', quirkValue(provider, 'redirect-uri-param'))
  }
  if (endpoint === 'revocationUrl') rename(call.parameters, 'token', quirkValue(provider, 'revoke-param'))
  rename(call.parameters, 'client_id', quirkValue(provider, 'client-id-param'))
  rename(call.parameters, 'client_secret', quirkValue(provider, 'client-secret-param'))
  if (hasQuirk(provider, 'camelcase-token-request'))
    replaceAll(call.parameters, ([name, value]) => [camelCase(name), value])
}

/**
 * An authorization request as the provider reads it: names of its own, and a fragment at the end of the URL (WeChat).
 * Not for signed or pushed requests: who reads those reads the standard.
 */
export function withAuthorizationQuirks(provider: Provider, parameters: URLSearchParams): URLSearchParams {
  const own = new URLSearchParams(parameters)
  if (provider.quirks === undefined) return own
  rename(own, 'client_id', quirkValue(provider, 'client-id-param'))
  rename(own, 'redirect_uri', quirkValue(provider, 'redirect-uri-param'))
  rename(own, 'response_type', quirkValue(provider, 'response-type-param'))
  if (hasQuirk(provider, 'response-type-omitted')) own.delete('response_type')
  return own
}

/** The fragment that ends an authorization URL (`authorize-url-fragment:wechat_redirect`), if any. */
export function authorizationFragment(provider: Provider): string | undefined {
  return quirkValue(provider, 'authorize-url-fragment')
}

/** A row that names a grant type of its own means it (`nonstandard-grant-type`). */
function ownGrantType({ name, parameters }: EndpointCall, { tokenParams, refreshParams }: Provider): void {
  const own = { authorization_code: tokenParams, refresh_token: refreshParams }[name]?.['grant_type']
  if (own !== undefined) parameters.set('grant_type', own)
}

/** `{code}`, `{client_secret}` and the like, as a whole value of the row's own parameters, stand for the request's. */
function fillParameters({ parameters }: EndpointCall, { provider, client }: Registration): void {
  const values: Readonly<Record<string, string | undefined>> = {
    '{client_id}': client.clientId,
    '{client_secret}': client.clientSecret,
    '{redirect_uri}': parameters.get('redirect_uri') ?? client.redirectUri,
    '{code}': parameters.get('code') ?? undefined,
    '{refresh_token}': parameters.get('refresh_token') ?? undefined,
  }
  for (const [name, value] of Object.entries({ ...provider.tokenParams, ...provider.refreshParams })) {
    // A value from elsewhere that only looks like a placeholder stays what it is.
    if (!Object.hasOwn(values, value) || parameters.get(name) !== value) continue
    const filled = values[value]
    if (filled === undefined) parameters.delete(name)
    else parameters.set(name, filled)
  }
}

function dropForbidden({ name, parameters }: EndpointCall, provider: Provider): void {
  if (hasQuirk(provider, 'no-grant-type') && name === 'authorization_code') parameters.delete('grant_type')
  if (hasQuirk(provider, 'redirect-uri-forbidden-in-token-request')) parameters.delete('redirect_uri')
  if (hasQuirk(provider, 'omit-empty-params'))
    replaceAll(parameters, (each) => (each[1] === '' ? undefined : each))
}

function setDefault(parameters: URLSearchParams, name: string, value: string): void {
  if (!parameters.has(name)) parameters.set(name, value)
}

function rename(parameters: URLSearchParams, name: string, own: string | undefined): void {
  if (own === undefined || own === name || !parameters.has(name)) return
  parameters.delete(own)
  replaceAll(parameters, (each) => (each[0] === name ? [own, each[1]] : each))
}

function repeat(parameters: URLSearchParams, name: string, own: string | undefined): void {
  const value = parameters.get(name)
  if (own !== undefined && value !== null) parameters.set(own, value)
}

/** Rewrites the list in place and in order; `undefined` drops one. */
function replaceAll(
  parameters: URLSearchParams,
  rewrite: (each: [string, string]) => [string, string] | undefined,
): void {
  const rewritten = [...parameters].map(rewrite)
  for (const name of new Set(parameters.keys())) parameters.delete(name)
  for (const each of rewritten) if (each !== undefined) parameters.append(...each)
}

function camelCase(name: string): string {
  return name.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase())
}
