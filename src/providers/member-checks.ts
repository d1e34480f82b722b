// One check for each member of a provider definition: what it must be, said with an example.
// RFC 6749 sections 3.1 and 3.2 (endpoints), RFC 8414 section 2 (issuer), RFC 9110 section 5 (header fields).
import { quote } from '../errors.ts'
import { tokenEndpointAuthMethods } from './auth-methods.ts'
import { hostKind } from './host.ts'
import { ownParameters } from './own-parameters.ts'
import type { MtlsEndpoint, Provider, UrlVariable } from './provider.ts'

/** What is wrong with a value ("must be …, such as …"), or nothing. */
export type Check = (value: unknown) => string | undefined

/** `{names}` that the flow itself fills in; they need no declaration. */
export const FLOW_PLACEHOLDERS: ReadonlySet<string> = new Set([
  'random',
  'access_token',
  'refresh_token',
  'redirect_uri',
  'code',
  'client_id',
  'client_secret',
])

const TOKEN_FIELDS = ['access_token', 'refresh_token', 'expires_in', 'token_type', 'scope', 'id_token']
const PATH = /^[A-Za-z0-9_$-]+(\.[A-Za-z0-9_$-]+)*$/
const HEADER_NAME = /^[!#$%&'*+.^_`|~A-Za-z0-9-]+$/
const HEADERS_OF_OURS = [
  'authorization',
  'cookie',
  'host',
  'content-length',
  'transfer-encoding',
  'connection',
]

const endpoint = (example: string) => url(example, { query: true })
const parameters = record(parameterProblem, '{ access_type: "offline" }')
const headers = record(headerProblem, '{ "notion-version": "2022-06-28" }')
const paths = list(matching(PATH, 'team.id'), '["team.id"]')

/** Every member that a definition may have, with its check. */
export const MEMBERS: Readonly<Record<keyof Provider, Check>> = {
  id: matching(
    /^[a-z0-9][a-z0-9._-]*$/,
    'acme',
    'start with a lowercase letter or digit and hold only a-z 0-9 . _ -',
  ),
  name: words('Acme'),
  docsUrl: url('https://acme.example/docs/oauth', { query: true, fragment: true }),
  registerUrl: url('https://acme.example/apps', { query: true, fragment: true }),
  authorizationUrl: endpoint('https://acme.example/oauth/authorize'),
  tokenUrl: endpoint('https://acme.example/oauth/token'),
  refreshUrl: endpoint('https://acme.example/oauth/refresh'),
  revocationUrl: endpoint('https://acme.example/oauth/revoke'),
  revocationFormat: oneOf(['form', 'json', 'bearer']),
  introspectionUrl: endpoint('https://acme.example/oauth/introspect'),
  userinfoUrl: endpoint('https://acme.example/userinfo'),
  deviceAuthorizationUrl: endpoint('https://acme.example/oauth/device'),
  jwksUrl: endpoint('https://acme.example/jwks.json'),
  pushedAuthorizationUrl: endpoint('https://acme.example/oauth/par'),
  pushedAuthorizationRequired: flag,
  backchannelAuthenticationUrl: endpoint('https://acme.example/oauth/bc-authorize'),
  registrationEndpointUrl: endpoint('https://acme.example/oauth/register'),
  endSessionUrl: endpoint('https://acme.example/oauth/logout'),
  mtlsEndpoints: record(mtlsEndpointProblem, '{ tokenUrl: "https://mtls.acme.example/oauth/token" }'),
  requestObject: oneOf(['required', 'supported']),
  responseMode: oneOf([
    'query',
    'fragment',
    'form_post',
    'query.jwt',
    'fragment.jwt',
    'form_post.jwt',
    'jwt',
  ]),
  dpop: oneOf(['required', 'supported']),
  certificateBoundTokens: flag,
  resources: list(url('https://api.acme.example', { query: true }), '["https://api.acme.example"]'),
  authorizationDetails: list(detailProblem, '[{ type: "payment_initiation" }]'),
  idTokenSigningAlgs: list(matching(/^[A-Z][A-Za-z0-9-]+$/, 'ES256'), '["ES256"]'),
  grantTypes: list(words('client_credentials'), '["client_credentials"]'),
  issuer: url('https://acme.example', {}),
  issuerVaries: flag,
  issParameterSupported: flag,
  scopeSeparator: matching(/^[\x20-\x7e]{1,3}$/, ',', 'be 1 to 3 printable characters'),
  scopeParam: matching(/^[A-Za-z0-9_.-]+$/, 'scope'),
  userScopeParam: matching(/^[A-Za-z0-9_.-]+$/, 'user_scope'),
  defaultScopes: list(matching(/^[\x21-\x7e]+$/, 'read'), '["read"]'),
  pkce: nullable(oneOf(['required', 'supported', 'unsupported', 'plain-only'])),
  tokenEndpointAuthMethod: nullable(oneOf(tokenEndpointAuthMethods)),
  tokenRequestFormat: oneOf(['form', 'json', 'query', 'get']),
  tokenRequestHeaders: headers,
  authorizationParams: parameters,
  tokenParams: parameters,
  refreshParams: parameters,
  urlVariables: list(variableProblem, '[{ name: "tenant", from: "user" }]'),
  tokenResponsePath: matching(PATH, 'data.token'),
  userTokenPath: matching(PATH, 'authed_user'),
  tokenResponseAliases: record(aliasProblem, '{ access_token: "accessToken" }'),
  expiresInUnit: oneOf(['seconds', 'milliseconds', 'epoch-seconds', 'iso8601']),
  assumedLifetimeSeconds: positive,
  refreshTokenRotation: nullable(flag),
  refreshTokenIdleSeconds: nullable(positive),
  refreshTokenLifetimeSeconds: positive,
  refreshTokenTestingSeconds: positive,
  refreshTokenGraceSeconds: positive,
  refresh: nullable(
    oneOf(['standard', 'none', 'exchange-long-lived', 'client-credentials', 'session', 'nonstandard']),
  ),
  sessionToken: sessionTokenProblem,
  accessTokenHeader: matching(
    /^[A-Za-z0-9-]+(: [A-Za-z0-9-]+)?$/,
    'X-Api-Token',
    'be "Name" or "Name: Scheme"',
  ),
  accessTokenQueryParam: matching(/^[A-Za-z0-9_.-]+$/, 'access_token'),
  accessTokenFormParam: matching(/^[A-Za-z0-9_.-]+$/, 'access_token'),
  apiHeaders: headers,
  apiBaseUrl: url('https://api.acme.example/v1', {}),
  apiHosts: list(apiHostProblem, '["files.acme.example", "*.acme.example"]'),
  callbackParams: list(matching(/^[^\s]+$/, 'realmId'), '["realmId"]'),
  tokenFields: paths,
  quirks: list(words('error-in-200'), '["error-in-200"]'),
  sources: list(words('https://acme.example/docs'), '["https://acme.example/docs"]'),
  agreement: positive,
  conflicts: record(conflictProblem, '{ tokenUrl: { "https://old.acme.example/token": ["nango"] } }'),
}

/** The members whose value is one URL, templates included. */
export const URL_MEMBERS = [
  'authorizationUrl',
  'tokenUrl',
  'refreshUrl',
  'revocationUrl',
  'introspectionUrl',
  'userinfoUrl',
  'deviceAuthorizationUrl',
  'jwksUrl',
  'pushedAuthorizationUrl',
  'backchannelAuthenticationUrl',
  'registrationEndpointUrl',
  'endSessionUrl',
  'issuer',
  'apiBaseUrl',
] as const satisfies readonly (keyof Provider)[]

/** The names between braces in a text, in order. */
export function placeholders(text: string): string[] {
  return [...text.matchAll(/\{([^{}]*)\}/g)].map((match) => match[1] ?? '')
}

/** A URL template with something harmless in each place, so that it can be parsed. */
export function withStandIns(template: string): string {
  return template
    .replace(/^\{[^{}]*\}/, 'https://v')
    .replace(/:\{[^{}]*\}/g, ':1')
    .replace(/\{[^{}]*\}/g, 'v')
}

/** What is wrong with the host, scheme or user part of an absolute URL, or nothing. */
export function originProblem(parsed: URL): string | undefined {
  if (parsed.username !== '' || parsed.password !== '') return 'must not hold a user name or password'
  const kind = hostKind(parsed.hostname)
  if (kind === 'private') return `must not point into a private network (${quote(parsed.hostname)})`
  if (parsed.protocol === 'https:' || (parsed.protocol === 'http:' && kind === 'loopback')) return undefined
  return 'must begin with https:// (http:// only for 127.0.0.1, ::1 and localhost)'
}

function url(example: string, allowed: { query?: boolean; fragment?: boolean }): Check {
  const suchAs = `, such as ${JSON.stringify(example)}`
  return (value) => {
    if (typeof value !== 'string') return `must be a URL${suchAs}; it is ${kindOf(value)}`
    const text = withStandIns(value)
    if (!URL.canParse(text) || /[\s\\]/.test(value)) return `must be an absolute URL${suchAs}`
    const parsed = new URL(text)
    const problem = originProblem(parsed)
    if (problem !== undefined) return problem + suchAs
    if (!allowed.query && text.includes('?')) return `must have no query part${suchAs}`
    if (!allowed.fragment && text.includes('#'))
      return `must have no fragment (RFC 6749 section 3.1)${suchAs}`
    return undefined
  }
}

function matching(pattern: RegExp, example: string, rule?: string): Check {
  return (value) => {
    if (typeof value !== 'string')
      return `must be a string, such as ${JSON.stringify(example)}; it is ${kindOf(value)}`
    if (pattern.test(value)) return undefined
    return `must ${rule ?? `match ${pattern.source}`}, such as ${JSON.stringify(example)}; it is ${quote(value, 60)}`
  }
}

function words(example: string): Check {
  return matching(/^[^\p{Cc}]*\S[^\p{Cc}]*$/u, example, 'be text on one line')
}

function oneOf(values: readonly string[]): Check {
  return (value) => {
    if (typeof value === 'string' && values.includes(value)) return undefined
    const got = typeof value === 'string' ? quote(value, 60) : kindOf(value)
    return `must be one of ${values.map((one) => JSON.stringify(one)).join(', ')}; it is ${got}`
  }
}

function nullable(check: Check): Check {
  return (value) => (value === null ? undefined : check(value))
}

function flag(value: unknown): string | undefined {
  return typeof value === 'boolean' ? undefined : `must be true or false; it is ${kindOf(value)}`
}

function positive(value: unknown): string | undefined {
  if (typeof value === 'number' && Number.isFinite(value) && value > 0) return undefined
  return `must be a number above 0, such as 3600; it is ${typeof value === 'number' ? String(value) : kindOf(value)}`
}

function list(check: Check, example: string): Check {
  return (value) => {
    if (!Array.isArray(value)) return `must be an array, such as ${example}; it is ${kindOf(value)}`
    for (const [index, item] of value.entries()) {
      const problem = check(item)
      if (problem !== undefined) return `[${index}] ${problem}`
    }
    return undefined
  }
}

function record(check: (key: string, value: unknown) => string | undefined, example: string): Check {
  return (value) => {
    if (!isRecord(value)) return `must be an object, such as ${example}; it is ${kindOf(value)}`
    for (const [key, item] of Object.entries(value)) {
      const problem = check(key, item)
      if (problem !== undefined) return `[${quote(key, 60)}] ${problem}`
    }
    return undefined
  }
}

function parameterProblem(key: string, value: unknown): string | undefined {
  if (ownParameters.has(key) || key === 'code_verifier')
    return 'is set by toolgrant for each request; leave it out'
  return typeof value === 'string' ? undefined : `must be a string, such as "offline"; it is ${kindOf(value)}`
}

function headerProblem(key: string, value: unknown): string | undefined {
  if (!HEADER_NAME.test(key)) return 'is no header name'
  if (HEADERS_OF_OURS.includes(key.toLowerCase())) return 'is set by toolgrant for each request; leave it out'
  if (typeof value !== 'string') return `must be a string; it is ${kindOf(value)}`
  return /^[\x20-\x7e]*$/.test(value) ? undefined : 'must hold printable ASCII only'
}

function aliasProblem(key: string, value: unknown): string | undefined {
  if (!TOKEN_FIELDS.includes(key) && !/^[a-z_]+$/.test(key))
    return 'must be a standard field, such as "access_token", with the vendor’s field as its value'
  return matching(PATH, 'data.accessToken')(value)
}

function conflictProblem(_key: string, value: unknown): string | undefined {
  return record(
    (_loser, sources) => list(words('nango'), '["nango"]')(sources),
    '{ "old value": ["nango"] }',
  )(value)
}

function apiHostProblem(value: unknown): string | undefined {
  const suchAs = ', such as "files.acme.example" or "*.acme.example"'
  if (typeof value !== 'string') return `must be a host${suchAs}; it is ${kindOf(value)}`
  const wildcard = value.startsWith('*.')
  const host = withStandIns(`https://${wildcard ? value.slice(2) : value}`).slice('https://'.length)
  if (wildcard && !host.includes('.'))
    return `must name at least two labels after "*."${suchAs}; it is ${quote(value, 60)}`
  const parsed = URL.canParse(`https://${host}`) ? new URL(`https://${host}`) : undefined
  if (parsed === undefined || !/^[\w.:[\]-]+$/.test(host) || parsed.host !== host.toLowerCase())
    return `must be a bare host, without scheme or path${suchAs}; it is ${quote(value, 60)}`
  return hostKind(parsed.hostname) === 'private' ? 'must not point into a private network' : undefined
}

const VARIABLE_MEMBERS: Readonly<Record<keyof UrlVariable, Check>> = {
  name: matching(/^[A-Za-z][A-Za-z0-9_]*$/, 'tenant'),
  example: words('contoso'),
  from: oneOf(['user', 'callback', 'token_response', 'post_connect']),
  default: words('common'),
  enum: list(words('eu'), '["eu", "us"]'),
  pattern: patternProblem,
}

function variableProblem(value: unknown): string | undefined {
  if (!isRecord(value))
    return `must be an object, such as { name: "tenant", from: "user" }; it is ${kindOf(value)}`
  for (const member of ['name', 'from']) if (value[member] === undefined) return `misses ${member}`
  for (const [member, item] of Object.entries(value)) {
    if (!isVariableMember(member)) return `has no member ${quote(member, 60)}`
    const problem = item === undefined ? undefined : VARIABLE_MEMBERS[member](item)
    if (problem !== undefined) return `${member} ${problem}`
  }
  return undefined
}

function isVariableMember(member: string): member is keyof UrlVariable {
  return Object.hasOwn(VARIABLE_MEMBERS, member)
}

function patternProblem(value: unknown): string | undefined {
  if (typeof value !== 'string') return `must be a string; it is ${kindOf(value)}`
  try {
    new RegExp(value, 'u')
    return undefined
  } catch {
    return `must be a regular expression, such as "[a-z0-9-]{1,40}"; it is ${quote(value, 60)}`
  }
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** The kind of a value, in words, never the value itself. */
function kindOf(value: unknown): string {
  if (value === null) return 'null'
  if (Array.isArray(value)) return 'an array'
  return typeof value === 'object' ? 'an object' : `a ${typeof value}`
}

const MTLS_ENDPOINTS: readonly string[] = [
  'tokenUrl',
  'revocationUrl',
  'introspectionUrl',
  'userinfoUrl',
  'deviceAuthorizationUrl',
  'pushedAuthorizationUrl',
  'backchannelAuthenticationUrl',
  'registrationEndpointUrl',
] satisfies MtlsEndpoint[]

function mtlsEndpointProblem(name: string, value: unknown): string | undefined {
  if (!MTLS_ENDPOINTS.includes(name)) return `has no endpoint ${quote(name)}: ${MTLS_ENDPOINTS.join(', ')}`
  return endpoint('https://mtls.acme.example/oauth/token')(value)
}

function sessionTokenProblem(value: unknown): string | undefined {
  const name = /^[A-Za-z0-9_.-]+$/
  const isNames =
    isRecord(value) &&
    Object.keys(value).every((key) => key === 'username' || key === 'password') &&
    [value.username, value.password].every((one) => typeof one === 'string' && name.test(one))
  return isNames ? undefined : 'must be two names, such as { username: "identifier", password: "password" }'
}

/** RFC 9396 section 2: each detail names its type. */
function detailProblem(value: unknown): string | undefined {
  const type = typeof value === 'object' && value !== null && 'type' in value ? value.type : undefined
  return typeof type === 'string' && type !== ''
    ? undefined
    : 'must name its type, such as { type: "payment_initiation" }'
}
