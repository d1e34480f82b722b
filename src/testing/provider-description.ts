// The simulated server as data for `defineProvider`: what a catalogue row would say of it.
import type { Provider, ProviderDefinition } from '../providers/index.ts'
import { grantTypesOf, type RegisteredClient, type ServerBehaviour } from './behaviour.ts'
import { PATHS } from './metadata.ts'
import { CIBA, DEVICE_CODE } from './token-endpoint.ts'

/** Members to add or replace; `undefined` removes one. */
export type ProviderOverrides = { readonly [Member in keyof Provider]?: Provider[Member] | undefined }

/** Describes a server at `url` that behaves so, for a client that authenticates so. */
export function describeProvider(
  url: string,
  behaviour: ServerBehaviour,
  method: RegisteredClient['tokenEndpointAuthMethod'] | undefined,
  overrides: ProviderOverrides,
): ProviderDefinition {
  const members = {
    ...endpoints(url),
    deviceAuthorizationUrl: takes(behaviour, DEVICE_CODE) ? url + PATHS.device : undefined,
    backchannelAuthenticationUrl: takes(behaviour, CIBA) ? url + PATHS.backchannel : undefined,
    pushedAuthorizationUrl: behaviour.pushedRequests === undefined ? undefined : url + PATHS.pushed,
    pushedAuthorizationRequired: behaviour.pushedRequests === 'required' ? true : undefined,
    dpop: behaviour.dpop,
    id: 'simulated',
    name: 'Simulated provider',
    issParameterSupported: behaviour.issParameter ?? true,
    pkce: (behaviour.requirePkce ?? true) ? 'required' : 'supported',
    refreshTokenRotation: behaviour.rotation ?? true,
    tokenEndpointAuthMethod: method,
    scopeSeparator: behaviour.scopeSeparator,
    tokenRequestFormat: behaviour.tokenRequestFormat,
    revocationFormat: behaviour.revocationFormat,
    ...placementFacts(behaviour.tokenPlacement),
    ...answerFacts(behaviour.tokenAnswer),
    ...overrides,
  }
  const entries = Object.entries(members).filter(([, value]) => value !== undefined)
  return Object.fromEntries(entries) as unknown as ProviderDefinition
}

function takes(behaviour: ServerBehaviour, grant: typeof DEVICE_CODE | typeof CIBA): boolean {
  return grantTypesOf(behaviour).includes(grant)
}

function endpoints(url: string) {
  return {
    issuer: url,
    authorizationUrl: url + PATHS.authorization,
    tokenUrl: url + PATHS.token,
    revocationUrl: url + PATHS.revocation,
    introspectionUrl: url + PATHS.introspection,
    userinfoUrl: url + PATHS.userinfo,
    jwksUrl: url + PATHS.jwks,
    apiBaseUrl: url + PATHS.api,
  }
}

function answerFacts(shape: ServerBehaviour['tokenAnswer'] = {}) {
  const unit = shape.expiresIn
  const counted = unit === 'milliseconds' || unit === 'epoch-seconds' || unit === 'iso8601'
  return {
    tokenResponsePath: shape.path,
    tokenResponseAliases: shape.aliases,
    expiresInUnit: counted ? unit : undefined,
  }
}

function placementFacts(placement: ServerBehaviour['tokenPlacement'] = {}) {
  const { header, scheme, query } = placement
  if (query !== undefined) return { accessTokenQueryParam: query }
  return { accessTokenHeader: scheme === undefined ? header : `${header ?? 'Authorization'}: ${scheme}` }
}
