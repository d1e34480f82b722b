// What comes back from providers with the person: codes, refusals, and what they put around them.
// RFC 6749 sections 4.1.2 and 4.1.2.1, RFC 9207. The state of each is `the-state`, unless the case is about that.
import type { ProviderFacts } from '../../src/providers/index.ts'

/** A callback. What should come of it: a code, a refusal with that error, or a `CallbackError` of that code. */
export interface CallbackCase {
  name: string
  callback: string
  code?: string
  extra?: Record<string, string>
  denied?: readonly [error: string, description?: string]
  invalid?: string
  row?: Partial<ProviderFacts>
}

const at = 'https://app.example/callback'

export const callbackAnswers: readonly CallbackCase[] = [
  {
    name: 'RFC 6749 4.1.2',
    callback: `${at}?code=SplxlOBeZQQYbYS6WxSbIA&state=the-state`,
    code: 'SplxlOBeZQQYbYS6WxSbIA',
  },
  { name: 'the query alone', callback: '?state=the-state&code=a', code: 'a' },
  { name: 'parameters alone', callback: 'code=a&state=the-state', code: 'a' },
  { name: 'Facebook, #_=_', callback: `${at}?code=AQB&state=the-state#_=_`, code: 'AQB' },
  { name: 'Instagram, #_', callback: `${at}?code=AQC&state=the-state#_`, code: 'AQC' },
  {
    name: 'Google, scope and prompt',
    callback: `${at}?state=the-state&code=4/0Ad&scope=email%20openid&authuser=0&hd=x.example&prompt=consent`,
    code: '4/0Ad',
  },
  { name: 'Google, a slash that is encoded', callback: `${at}?state=the-state&code=4%2F0Ad`, code: '4/0Ad' },
  {
    name: 'Salesforce, an equals sign at the end',
    callback: `${at}?code=aPrxY%3D%3D&state=the-state`,
    code: 'aPrxY==',
  },
  {
    name: 'Microsoft, session_state',
    callback: `${at}?code=0.A&state=the-state&session_state=fe1`,
    code: '0.A',
  },
  {
    name: 'P29 QuickBooks, realmId',
    callback: `${at}?code=q&state=the-state&realmId=123`,
    code: 'q',
    extra: { realmId: '123' },
    row: { callbackParams: ['realmId'] },
  },
  {
    name: 'P29 Shopify, what the row lists',
    callback: `${at}?code=s&hmac=h&shop=x.myshopify.com&state=the-state&timestamp=1`,
    code: 's',
    extra: { shop: 'x.myshopify.com' },
    row: { callbackParams: ['shop'] },
  },
  {
    name: 'P29 Zoho, accounts-server',
    callback: `${at}?state=the-state&code=z&location=eu&accounts-server=https://accounts.zoho.eu`,
    code: 'z',
    extra: { 'accounts-server': 'https://accounts.zoho.eu' },
    row: { callbackParams: ['accounts-server'] },
  },
  {
    name: 'P12 a token in the query is not used',
    callback: `${at}?code=a&state=the-state&access_token=evil`,
    code: 'a',
  },
  {
    name: 'P30 the issuer of the row',
    callback: `${at}?code=a&state=the-state&iss=https%3A%2F%2Fas.example`,
    code: 'a',
  },
  {
    name: 'P30 another issuer',
    callback: `${at}?code=a&state=the-state&iss=https%3A%2F%2Fevil.example`,
    invalid: 'issuer_mismatch',
  },
  {
    name: 'RFC 6749 4.1.2.1',
    callback: `${at}?error=access_denied&state=the-state`,
    denied: ['access_denied'],
  },
  {
    name: 'RFC 6749 4.1.2.1, a description',
    callback: `${at}?error=invalid_scope&error_description=No+such+scope.&state=the-state`,
    denied: ['invalid_scope', 'No such scope.'],
  },
  {
    name: 'Facebook, error_reason',
    callback: `${at}?error_reason=user_denied&error=access_denied&error_description=Permissions+error.&state=the-state#_=_`,
    denied: ['access_denied', 'Permissions error.'],
  },
  {
    name: 'LinkedIn',
    callback: `${at}?error=user_cancelled_login&error_description=The+user+cancelled+LinkedIn+login&state=the-state`,
    denied: ['user_cancelled_login', 'The user cancelled LinkedIn login'],
  },
  {
    name: 'an error beside a code',
    callback: `${at}?error=server_error&code=a&state=the-state`,
    denied: ['server_error'],
  },
  {
    name: 'OpenID Connect, login_required',
    callback: `${at}?error=login_required&state=the-state`,
    denied: ['login_required'],
  },
  { name: 'no state', callback: `${at}?code=a`, invalid: 'state_missing' },
  { name: 'P9 another state', callback: `${at}?code=a&state=other`, invalid: 'state_mismatch' },
  {
    name: 'two states',
    callback: `${at}?code=a&state=the-state&state=other`,
    invalid: 'duplicate_parameter',
  },
  { name: 'two codes', callback: `${at}?code=a&code=b&state=the-state`, invalid: 'duplicate_parameter' },
  { name: 'an error without the state', callback: `${at}?error=access_denied`, invalid: 'state_missing' },
  {
    name: 'a state alone (WeChat, when the person says no)',
    callback: `${at}?state=the-state`,
    invalid: 'code_missing',
  },
  { name: 'an empty code', callback: `${at}?code=&state=the-state`, invalid: 'code_missing' },
  { name: 'a blank code', callback: `${at}?code=%20&state=the-state`, invalid: 'code_missing' },
  { name: 'a page without parameters', callback: at, invalid: 'state_missing' },
  {
    name: 'Alipay, auth_code',
    callback: `${at}?app_id=1&source=alipay_wallet&scope=auth_user&state=the-state&auth_code=P39`,
    code: 'P39',
  },
  { name: 'DingTalk, authCode', callback: `${at}?authCode=d1&state=the-state`, code: 'd1' },
  { name: 'DingTalk, both', callback: `${at}?code=d1&authCode=d1&state=the-state`, code: 'd1' },
  {
    name: 'eBay, more than a code',
    callback: `${at}?state=the-state&isAuthSuccessful=true&code=v%5E1.1%23i&expires_in=299`,
    code: 'v^1.1#i',
  },
  {
    name: 'Strava, the granted scopes',
    callback: `${at}?state=the-state&code=st&scope=read,activity:read_all`,
    code: 'st',
  },
  { name: 'an error that says null', callback: `${at}?code=a&state=the-state&error=null`, code: 'a' },
  { name: 'an empty error', callback: `${at}?code=a&state=the-state&error=&error_description=`, code: 'a' },
  {
    name: 'Facebook of old, a code and a message',
    callback: `${at}?error_code=200&error_message=Permissions+error&state=the-state`,
    denied: ['200', 'Permissions error'],
  },
  { name: 'TikTok, errCode', callback: `${at}?errCode=-2&state=the-state`, denied: ['-2'] },
]
