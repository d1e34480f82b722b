// What an error tells its reader: which request, which provider, what the server said, and what to do.
import { describe, expect, it } from 'vitest'
import { AuthorizationDeniedError, quote, ScopeMismatchError, TokenEndpointError } from './errors.ts'

function refused(error: string, errorDescription?: string, request = 'refresh_token', status = 400) {
  const described = errorDescription === undefined ? {} : { errorDescription }
  return new TokenEndpointError({ provider: 'acme', status, error, request, ...described })
}

const jwtBearer = 'urn:ietf:params:oauth:grant-type:jwt-bearer'
const exchange = 'urn:ietf:params:oauth:grant-type:token-exchange'
const device = 'urn:ietf:params:oauth:grant-type:device_code'

describe('a refusal at an endpoint', () => {
  it('names the provider, the request, the status and the words', () => {
    expect(refused('invalid_scope', 'no "mail"').message).toBe(
      'acme refused the refresh_token request with HTTP 400 ("invalid_scope": "no \\"mail\\""). ' +
        'Check the spelling of the scopes, their separator, and that the client may ask for them.',
    )
  })

  it.each([
    // RFC 6749 section 5.2
    ['invalid_client', /client id, the client secret.*tokenEndpointAuthMethod/],
    ['unauthorized_client', /grant or response type where the client is registered/],
    ['invalid_request', /tokenParams, tokenRequestFormat and extraParams/],
    ['invalid_grant', /consent again/],
    ['unsupported_grant_type', /tokenUrl.*grant types/],
    ['invalid_scope', /scopes/],
    // RFC 7009, 6750, 9470
    ['unsupported_token_type', /the other one/],
    ['invalid_token', /renew it/],
    ['insufficient_scope', /consent/],
    ['insufficient_user_authentication', /acr_values and max_age/],
    // RFC 8628, CIBA
    ['authorization_pending', /polling/],
    ['slow_down', /less often/],
    ['expired_token', /start again/],
    ['unknown_user_id', /login hint/],
    ['expired_login_hint_token', /login hint/],
    ['missing_user_code', /user_code/],
    ['invalid_binding_message', /bindingMessage/],
    ['transaction_failed', /try again/],
    // RFC 9101, 9126, 8707, 9396
    ['invalid_request_uri', /start the authorization again/],
    ['invalid_request_object', /public key of privateKey.*clock/],
    ['invalid_target', /resources and the audience/],
    ['invalid_authorization_details', /authorizationDetails/],
    // RFC 9449
    ['invalid_dpop_proof', /clock.*key.*URL/],
    ['use_dpop_nonce', /DPoP-Nonce/],
    // RFC 7591
    ['invalid_redirect_uri', /redirect URI/],
    ['invalid_client_metadata', /metadata/],
    ['invalid_software_statement', /software statement/],
    ['unapproved_software_statement', /software statement/],
    // GitHub, Slack, Google, Salesforce
    ['redirect_uri_mismatch', /redirect URI/],
    ['bad_redirect_uri', /redirect URI/],
    ['bad_verification_code', /start the authorization again/],
    ['code_already_used', /start the authorization again/],
    ['incorrect_client_credentials', /client secret/],
    ['bad_client_secret', /client secret/],
    ['incorrect_device_code', /start again/],
    ['device_flow_disabled', /device flow on/],
    ['unverified_user_email', /e-mail/],
    ['application_suspended', /where it is registered/],
    ['deleted_client', /where it is registered/],
    ['org_internal', /external/],
    ['inactive_user', /account/],
    ['INVALID_CLIENT', /client secret/],
  ])('%s says what to change', (error, advice) => {
    const { message } = refused(error)
    expect(message).toMatch(advice)
    expect(message).toMatch(/\.$/)
  })

  it.each([
    ['authorization_code', /PKCE verifier: start the authorization again/],
    ['refresh_token', /consent again/],
    ['password', /password is wrong/],
    ['session_token', /app password/],
    [jwtBearer, /iss, sub, aud and exp/],
    [exchange, /subject or actor token/],
    [device, /device code/],
    ['constructor', /consent again/],
  ])('invalid_grant of %s is about what that grant sends', (request, advice) => {
    expect(refused('invalid_grant', undefined, request).message).toMatch(advice)
  })

  it.each([
    ['invalid_client', 'AADSTS7000215: Invalid client secret provided.', /value, not its id/],
    ['invalid_client', 'AADSTS7000222: The provided client secret keys are expired.', /make a new one/],
    [
      'invalid_client',
      'AADSTS7000218: The request body must contain client_assertion',
      /public client flows/,
    ],
    ['invalid_client', 'AADSTS700025: Client is public', /take the client secret out/],
    ['unauthorized_client', "AADSTS700016: Application with identifier 'x' was not found", /tenant/],
    ['invalid_grant', 'AADSTS65001: The user or administrator has not consented', /administrator/],
    ['invalid_grant', 'AADSTS700082: The refresh token has expired due to inactivity.', /consent again/],
    ['invalid_grant', 'AADSTS54005: OAuth2 Authorization code was already redeemed', /start the auth/],
    ['invalid_grant', 'AADSTS50076: you must use multi-factor authentication', /second factor/],
    ['invalid_request', 'AADSTS50011: The redirect URI does not match', /redirect URI/],
    ['invalid_request', 'AADSTS9002327: Tokens issued for the Single-Page Application', /single-page/],
    ['invalid_scope', 'AADSTS70011: The provided value for scope is not valid', /scopes/],
  ])('%s with %j goes by the number', (error, description, advice) => {
    expect(refused(error, description).message).toMatch(advice)
  })

  it.each([
    ['invalid_request', 'client_secret is missing.', /Check the client id, the client secret or key/],
    ['invalid_request', 'the response_mode is not supported', /Leave responseMode out/],
    ['invalid_request', 'Missing parameter: code_verifier', /start the authorization again/],
    ['invalid_request', 'Invalid redirect_uri', /Register exactly the redirect URI/],
    ['error', 'The redirect URL does not match', /Register exactly the redirect URI/],
    ['E1234', 'bad scope', /scopes/],
  ])('%s with %j goes by what the description names', (error, description, advice) => {
    expect(refused(error, description).message).toMatch(advice)
  })

  it.each([
    ['invalid_request', 'dead', /consent again/],
    ['error', 'dead', /consent again/],
    ['42001', 'passing', /try again later/],
    ['slow_down', 'passing', /Ask less often/],
  ] as const)('%s whose words say %s', (error, outlook, advice) => {
    const failure = { provider: 'acme', status: 400, error, request: 'refresh_token', outlook }
    expect(new TokenEndpointError(failure).message).toMatch(advice)
    const ofCode = new TokenEndpointError({ ...failure, request: 'authorization_code' })
    if (outlook === 'dead') expect(ofCode.message).toMatch(/start the authorization again/)
  })

  it.each([
    ['odd_word', 400, /documentation of the provider\.$/],
    ['odd_word', 503, /Try again later\.$/],
    ['odd_word', 429, /Try again later\.$/],
    ['.*', 400, /documentation of the provider\.$/],
    ['__proto__', 400, /documentation of the provider\.$/],
    ['AADSTS1', 400, /documentation of the provider\.$/],
  ])('an unknown word %j with HTTP %i still has a next step', (error, status, advice) => {
    expect(refused(error, undefined, 'revocation', status).message).toMatch(advice)
  })

  it('R22 quotes what the provider chose: no line breaks, no escapes, no flood', () => {
    const { message } = refused('a\nb\u001b[31m', `c\u202e${'d'.repeat(1000)}`)
    expect(message).toContain('"a\\nb\\u001b[31m": "c\\u202e')
    for (const character of ['\n', '\u001b', '\u202e']) expect(message).not.toContain(character)
    expect(message.length).toBeLessThan(500)
  })
})

describe('a refusal in the browser', () => {
  it.each([
    ['access_denied', 'access_denied', /when the person agrees/],
    ['user_cancelled_login', 'access_denied', /when the person agrees/],
    ['user_cancelled_authorize', 'access_denied', /when the person agrees/],
    ['user_cancelled', 'access_denied', /when the person agrees/],
    ['user_denied', 'access_denied', /when the person agrees/],
    ['consent_declined', 'access_denied', /when the person agrees/],
    ['invalid_scope', 'authorization_failed', /scopes/],
    ['unauthorized_client', 'authorization_failed', /registered/],
    ['unsupported_response_type', 'authorization_failed', /response type/],
    ['unsupported_response_mode', 'authorization_failed', /responseMode/],
    ['server_error', 'authorization_failed', /later/],
    ['temporarily_unavailable', 'authorization_failed', /later/],
    // OpenID Connect Core section 3.1.2.6
    ['interaction_required', 'authorization_failed', /prompt/],
    ['login_required', 'authorization_failed', /prompt/],
    ['account_selection_required', 'authorization_failed', /prompt/],
    ['consent_required', 'authorization_failed', /prompt/],
    ['request_not_supported', 'authorization_failed', /requestObject/],
    ['request_uri_not_supported', 'authorization_failed', /pushedAuthorizationUrl/],
    ['registration_not_supported', 'authorization_failed', /registration/],
    ['unmet_authentication_requirements', 'authorization_failed', /acr_values/],
    // Google
    ['admin_policy_enforced', 'authorization_failed', /administrator/],
    ['disallowed_useragent', 'authorization_failed', /browser/],
    ['something_else', 'authorization_failed', /registration and the scopes/],
  ])('%s is %s, and says what to do', (error, code, advice) => {
    const denied = new AuthorizationDeniedError('acme', error)
    expect(denied.code).toBe(code)
    expect(denied.message).toMatch(advice)
    expect(denied.message).toContain('acme')
  })
})

describe('a grant of other scopes', () => {
  it('R9 keeps the tokens in the error, where no log shows them', () => {
    const tokens = { accessToken: 'canary' }
    const error = new ScopeMismatchError('m', { missing: ['a'], added: [], tokens })
    expect(error.tokens).toBe(tokens)
    expect(JSON.stringify(error)).not.toContain('canary')
    expect(Object.keys(error)).not.toContain('tokens')
  })
})

it.each([
  ['plain', '"plain"'],
  ['two\r\nlines', '"two\\r\\nlines"'],
  ['\u0085\u2028\u202e\u2066', '"\\u0085\\u2028\\u202e\\u2066"'],
  ['"quoted"', '"\\"quoted\\""'],
  ['x'.repeat(300), `"${'x'.repeat(200)}…"`],
])('R22 quote(%j)', (text, quoted) => {
  expect(quote(text)).toBe(quoted)
})
