// Tables of answers: RFC 6749 sections 5.1 and 5.2, and what real providers are reported to send. Long because it is data.
import { inspect } from 'node:util'
import { describe, expect, it } from 'vitest'
import { InvalidResponseError, TokenEndpointError } from '../errors.ts'
import { defineProvider, type Provider, type ProviderFacts } from '../providers/index.ts'
import { readTokenAnswer, retryAfter, type TokenAnswer, throwIfNotSuccess } from './response-reader.ts'

const now = Date.parse('2026-03-01T12:00:00Z')
const in1h = now + 3_600_000
const minimal = { access_token: 'a' }

function providerWith(facts: Partial<ProviderFacts> = {}): Provider {
  const endpoints = { authorizationUrl: 'https://as.example/authorize', tokenUrl: 'https://as.example/token' }
  return defineProvider({ id: 'acme', ...facts, ...endpoints })
}

interface Given {
  status?: number
  headers?: Record<string, string>
  facts?: Partial<ProviderFacts>
  secrets?: string[]
}

function answerOf(body: unknown, given: Given) {
  const text = typeof body === 'string' ? body : JSON.stringify(body)
  return { status: given.status ?? 200, headers: new Headers(given.headers), text }
}

function read(body: unknown, given: Given = {}): TokenAnswer {
  const context = {
    provider: providerWith(given.facts),
    request: 'refresh_token',
    secrets: given.secrets ?? [],
    now,
  }
  return readTokenAnswer(answerOf(body, given), context)
}

function failure(body: unknown, given: Given = {}): unknown {
  try {
    return { became: read(body, given) }
  } catch (error) {
    return error
  }
}

type Understood = [name: string, body: unknown, expected: Partial<TokenAnswer>, given?: Given]

const understood: Understood[] = [
  // RFC 6749 section 5.1
  [
    'the example of RFC 6749 section 5.1',
    '{\n  "access_token":"2YotnFZFEjr1zCsicMWpAA",\n  "token_type":"example",\n  "expires_in":3600,\n  "refresh_token":"tGzv3JOkF0XG5Qx2TlKWIA",\n  "example_parameter":"example_value"\n}',
    {
      accessToken: '2YotnFZFEjr1zCsicMWpAA',
      refreshToken: 'tGzv3JOkF0XG5Qx2TlKWIA',
      expiresAt: in1h,
      scopes: undefined,
    },
  ],
  [
    'only an access token',
    minimal,
    { accessToken: 'a', refreshToken: undefined, expiresAt: undefined, scopes: undefined },
  ],
  ['every visible character in a token', { access_token: '!~-._+/=:"\\' }, { accessToken: '!~-._+/=:"\\' }],
  ['a token of 20 000 characters', { access_token: 'x'.repeat(20_000) }, { accessToken: 'x'.repeat(20_000) }],
  ['status 201', minimal, { accessToken: 'a' }, { status: 201 }],
  ['status 203', minimal, { accessToken: 'a' }, { status: 203 }],
  ['an id_token', { ...minimal, id_token: 'e.y.J' }, { idToken: 'e.y.J' }],
  [
    'unknown members of any kind',
    { ...minimal, a: null, b: [1], c: { d: {} }, e: true },
    { accessToken: 'a' },
  ],

  // How it is wrapped up
  ['JSON called text/html', minimal, { accessToken: 'a' }, { headers: { 'content-type': 'text/html' } }],
  [
    'JSON called a form',
    minimal,
    { accessToken: 'a' },
    { headers: { 'content-type': 'application/x-www-form-urlencoded' } },
  ],
  ['a byte order mark', `\ufeff${JSON.stringify(minimal)}`, { accessToken: 'a' }],
  ['white space around', ` \r\n\t${JSON.stringify(minimal)}\n\n`, { accessToken: 'a' }],
  [
    'a script guard (Xiaomi)',
    '&&&START&&&{"access_token":"a","expires_in":3600}',
    { accessToken: 'a', expiresAt: in1h },
  ],
  ['a script guard (Google APIs)', ')]}\',\n{"access_token":"a"}', { accessToken: 'a' }],
  [
    'a call around it (QQ)',
    'callback( {"access_token":"a","expires_in":"3600"} );\n',
    { accessToken: 'a', expiresAt: in1h },
  ],
  [
    'a form (GitHub by default)',
    'access_token=gho_16C7e42F292c6912E7710c838347Ae178B4a&scope=repo%2Cgist&token_type=bearer',
    { accessToken: 'gho_16C7e42F292c6912E7710c838347Ae178B4a', scopes: ['repo', 'gist'] },
    { headers: { 'content-type': 'application/x-www-form-urlencoded; charset=utf-8' } },
  ],
  [
    'a form called JSON',
    'access_token=a&expires_in=3600',
    { accessToken: 'a', expiresAt: in1h },
    { headers: { 'content-type': 'application/json' } },
  ],
  [
    'a form with empty fields',
    'access_token=a&refresh_token=&expires_in=&scope=&error=',
    { refreshToken: undefined, expiresAt: undefined, scopes: undefined },
  ],
  ['a form with an odd first name', '.issued=x&%40id=1&access_token=a', { accessToken: 'a' }],
  ['a form that begins with a dollar', '$v=1&access_token=a', { accessToken: 'a' }],
  ['a form that begins with an ampersand', '&access_token=a', { accessToken: 'a' }],
  ['a form that begins with a question mark', '?access_token=a&scope=b', { accessToken: 'a', scopes: ['b'] }],
  [
    'a form with raw spaces',
    'access_token=a&scope=read write',
    { accessToken: 'a', scopes: ['read', 'write'] },
  ],
  [
    'a form with raw base64',
    'access_token=ab+/c==&refresh_token=d+e',
    { accessToken: 'ab+/c==', refreshToken: 'd+e' },
  ],
  ['a form with encoded base64', 'access_token=ab%2B%2Fc%3D%3D', { accessToken: 'ab+/c==' }],
  ['a form that says the same twice', 'access_token=a&access_token=a', { accessToken: 'a' }],
  ['a form with a PHP list', 'access_token=a&scope[]=read&scope[]=write', { scopes: ['read', 'write'] }],

  // Expiry
  ['R8 expires_in as a number', { ...minimal, expires_in: 3600 }, { expiresAt: in1h }],
  ['R8 expires_in as a float', { ...minimal, expires_in: 3599.5 }, { expiresAt: in1h - 500 }],
  ['R8 expires_in as text (Azure, Naver)', { ...minimal, expires_in: '3600' }, { expiresAt: in1h }],
  ['R8 expires_in as text with a fraction', { ...minimal, expires_in: ' 3600.0 ' }, { expiresAt: in1h }],
  ['R8 expires_in as text with an exponent', { ...minimal, expires_in: '3.6e3' }, { expiresAt: in1h }],
  ['P34 expires_in null', { ...minimal, expires_in: null }, { expiresAt: undefined }],
  ['P34 expires_in empty', { ...minimal, expires_in: '' }, { expiresAt: undefined }],
  ['P34 expires_in that is a word', { ...minimal, expires_in: 'never' }, { expiresAt: undefined }],
  ['P34 expires_in "NaN"', { ...minimal, expires_in: 'NaN' }, { expiresAt: undefined }],
  ['P34 expires_in a list', { ...minimal, expires_in: [3600] }, { expiresAt: undefined }],
  ['P34 expires_in true', { ...minimal, expires_in: true }, { expiresAt: undefined }],
  [
    'P34 expires_in zero, in an answer as the RFC wants it',
    { ...minimal, token_type: 'Bearer', expires_in: 0 },
    { expiresAt: now },
  ],
  [
    'R18 zero beside a null scope, and nothing to renew with (Mailchimp): never',
    { ...minimal, token_type: 'bearer', expires_in: 0, scope: null },
    { expiresAt: null },
  ],
  ['zero without a token type (VK): never', { ...minimal, expires_in: 0, user_id: 7 }, { expiresAt: null }],
  ['R13 expires_in negative', { ...minimal, expires_in: -10 }, { expiresAt: now - 10_000 }],
  ['P34 expires_in beyond what a Date holds', { ...minimal, expires_in: 1e20 }, { expiresAt: 8.64e15 }],
  [
    'P34 expires_in beyond what a number holds',
    '{"access_token":"a","expires_in":1e999}',
    { expiresAt: 8.64e15 },
  ],
  ['P34 expires_in far below zero', { ...minimal, expires_in: -1e20 }, { expiresAt: -8.64e15 }],
  [
    'R18 zero that means never (Mailchimp)',
    { ...minimal, expires_in: 0, scope: null },
    { expiresAt: null, scopes: undefined },
    { facts: { quirks: ['expires-in-zero'] } },
  ],
  [
    'expires_in in milliseconds, by provider row',
    { ...minimal, expires_in: 3_600_000 },
    { expiresAt: in1h },
    { facts: { expiresInUnit: 'milliseconds' } },
  ],
  [
    'expires_in as an instant, by provider row',
    { ...minimal, expires_in: in1h / 1000 },
    { expiresAt: in1h },
    { facts: { expiresInUnit: 'epoch-seconds' } },
  ],
  [
    'expires_in as a date, by provider row',
    { ...minimal, expires_in: '2026-03-01T13:00:00Z' },
    { expiresAt: in1h },
    { facts: { expiresInUnit: 'iso8601' } },
  ],
  [
    'expires_in as a date, without being told',
    { ...minimal, expires_in: '2026-03-01T13:00:00Z' },
    { expiresAt: in1h },
  ],
  ['R18 expires as a lifetime (Facebook of old)', 'access_token=a&expires=3600', { expiresAt: in1h }],
  ['expires as zero: no end (Deezer offline_access)', 'access_token=a&expires=0', { expiresAt: null }],
  [
    'expires as a date (OWIN)',
    { ...minimal, '.expires': 'Sun, 01 Mar 2026 13:00:00 GMT' },
    { expiresAt: in1h },
  ],
  [
    'expires as a date without a zone',
    { ...minimal, '.expires': 'Sun, 01 Mar 2026 13:00:00' },
    { expiresAt: in1h },
  ],
  ['expires_on in seconds (Azure v1)', { ...minimal, expires_on: String(in1h / 1000) }, { expiresAt: in1h }],
  ['expires_at in seconds (Strava)', { ...minimal, expires_at: in1h / 1000 }, { expiresAt: in1h }],
  ['expires_at in milliseconds', { ...minimal, expires_at: in1h }, { expiresAt: in1h }],
  ['expires_at as a date (Square)', { ...minimal, expires_at: '2026-03-01T13:00:00Z' }, { expiresAt: in1h }],
  [
    'expires_at as a date with an offset',
    { ...minimal, expires_at: '2026-03-01T15:00:00.000+0200' },
    { expiresAt: in1h },
  ],
  [
    'expires_at as a date without a zone: UTC',
    { ...minimal, expires_at: '2026-03-01 13:00:00' },
    { expiresAt: in1h },
  ],
  [
    'expires_on as an American date (Azure App Service)',
    { ...minimal, expires_on: '03/01/2026 13:00:00 +00:00' },
    { expiresAt: in1h },
  ],
  [
    'expires_on as an American date of half days',
    { ...minimal, expires_on: '3/1/2026 1:00:00 PM' },
    { expiresAt: in1h },
  ],
  [
    'expires_at as a word that Date.parse would take for 2001',
    { ...minimal, expires_at: '1 month' },
    { expiresAt: undefined },
  ],
  ['expires_at null', { ...minimal, expires_at: null }, { expiresAt: undefined }],
  ['expires_in before expires_at', { ...minimal, expires_in: 3600, expires_at: 5 }, { expiresAt: in1h }],
  [
    'expires_at when expires_in is null',
    { ...minimal, expires_in: null, expires_at: in1h / 1000 },
    { expiresAt: in1h },
  ],
  [
    'an assumed lifetime, by provider row',
    minimal,
    { expiresAt: in1h },
    { facts: { assumedLifetimeSeconds: 3600 } },
  ],
  [
    'a lifetime before the assumed one',
    { ...minimal, expires_in: 3600 },
    { expiresAt: in1h },
    { facts: { assumedLifetimeSeconds: 60 } },
  ],
  [
    'expireIn, by alias (DingTalk)',
    { accessToken: 'a', expireIn: 3600 },
    { accessToken: 'a', expiresAt: in1h },
    { facts: { tokenResponseAliases: { access_token: 'accessToken', expires_in: 'expireIn' } } },
  ],
  [
    'access_token_expiration, by alias (Clover)',
    { ...minimal, access_token_expiration: in1h / 1000 },
    { expiresAt: in1h },
    { facts: { tokenResponseAliases: { expires_at: 'access_token_expiration' } } },
  ],

  // Scope
  ['R8 scope with spaces', { ...minimal, scope: 'read write' }, { scopes: ['read', 'write'] }],
  ['R8 scope with commas (GitHub)', { ...minimal, scope: 'read,write' }, { scopes: ['read', 'write'] }],
  ['R8 scope with commas and spaces', { ...minimal, scope: 'read, write' }, { scopes: ['read', 'write'] }],
  [
    'R8 scope with the separator of the provider',
    { ...minimal, scope: 'read|write' },
    { scopes: ['read', 'write'] },
    { facts: { scopeSeparator: '|' } },
  ],
  ['R8 scope as a list (Twitch)', { ...minimal, scope: ['read', 'write'] }, { scopes: ['read', 'write'] }],
  [
    'scope as a list of texts with several',
    { ...minimal, scope: ['read write', 'admin'] },
    { scopes: ['read', 'write', 'admin'] },
  ],
  [
    'scope as a list with other things',
    { ...minimal, scope: ['read', 7, null, { name: 'x' }, ''] },
    { scopes: ['read'] },
  ],
  ['R8 scope null (Mailchimp)', { ...minimal, scope: null }, { scopes: undefined }],
  ['scope empty (SoundCloud)', { ...minimal, scope: '' }, { scopes: undefined }],
  ['scope an empty list', { ...minimal, scope: [] }, { scopes: undefined }],
  ['scope an object', { ...minimal, scope: { read: true } }, { scopes: undefined }],
  ['scope doubled', { ...minimal, scope: 'read read' }, { scopes: ['read'] }],
  ['scopes (Bitbucket)', { ...minimal, scopes: 'account repository' }, { scopes: ['account', 'repository'] }],
  ['scopes beside an empty scope', { ...minimal, scope: '', scopes: ['read'] }, { scopes: ['read'] }],
  [
    'scope URLs (Google)',
    { ...minimal, scope: 'openid https://www.googleapis.com/auth/drive' },
    { scopes: ['openid', 'https://www.googleapis.com/auth/drive'] },
  ],

  // Token type
  ['R8 no token_type (Instagram)', minimal, { accessToken: 'a' }],
  ['R8 token_type in capitals', { ...minimal, token_type: 'BEARER' }, { accessToken: 'a' }],
  ['R18 token_type of eBay', { ...minimal, token_type: 'User Access Token' }, { accessToken: 'a' }],
  ['token_type of Apigee', { ...minimal, token_type: 'BearerToken' }, { accessToken: 'a' }],
  ['token_type null', { ...minimal, token_type: null }, { accessToken: 'a' }],
  ['token_type empty', { ...minimal, token_type: '' }, { accessToken: 'a' }],
  ['token_type no text', { ...minimal, token_type: 1 }, { accessToken: 'a' }],

  // Refresh token and id_token
  ['refresh_token null', { ...minimal, refresh_token: null }, { refreshToken: undefined }],
  ['refresh_token empty', { ...minimal, refresh_token: '' }, { refreshToken: undefined }],
  ['refresh_token false', { ...minimal, refresh_token: false }, { refreshToken: undefined }],
  ['refresh_token "null"', { ...minimal, refresh_token: 'null' }, { refreshToken: undefined }],
  [
    'refresh_token with a space: legal (RFC 6749 A.17), and travels in a body',
    { ...minimal, refresh_token: 'a b' },
    { refreshToken: 'a b' },
  ],
  [
    'refresh_token with a control character',
    { ...minimal, refresh_token: 'a\nb' },
    { refreshToken: undefined },
  ],
  ['id_token null', { ...minimal, id_token: null }, { idToken: undefined }],
  ['id_token that is no text', { ...minimal, id_token: { a: 1 } }, { idToken: undefined }],

  // Errors that are none
  [
    'error null beside a good token',
    { ...minimal, error: null, error_description: null },
    { accessToken: 'a' },
  ],
  ['error empty beside a good token', { ...minimal, error: '', error_description: '' }, { accessToken: 'a' }],
  ['error false', { ...minimal, error: false }, { accessToken: 'a' }],
  ['error 0', { ...minimal, error: 0 }, { accessToken: 'a' }],
  ['error an empty object', { ...minimal, error: {} }, { accessToken: 'a' }],
  ['errors an empty list', { ...minimal, errors: [] }, { accessToken: 'a' }],
  [
    'error object that says ok (TikTok)',
    { ...minimal, error: { code: 'ok', message: '' } },
    { accessToken: 'a' },
  ],
  [
    'errcode 0 (WeChat Work)',
    { errcode: 0, errmsg: 'ok', access_token: 'a', expires_in: 3600 },
    { accessToken: 'a', expiresAt: in1h },
  ],
  ['code 0 (Feishu)', { code: 0, msg: 'success', access_token: 'a' }, { accessToken: 'a' }],
  ['ok true (Slack)', { ok: true, ...minimal }, { accessToken: 'a' }],
  ['success true', { success: true, ...minimal }, { accessToken: 'a' }],
  [
    'status "success" with a message',
    { status: 'success', message: 'Token issued', ...minimal },
    { accessToken: 'a' },
  ],
  ['status 200', { status: 200, ...minimal }, { accessToken: 'a' }],
  [
    'an id and a name beside the token',
    { ...minimal, id: 'https://login.salesforce.com/id/x', name: 'Ada', type: 'user' },
    { accessToken: 'a' },
  ],

  // By provider row
  [
    'R8 a nested token (Withings)',
    { status: 0, body: { access_token: 'a', expires_in: 3600, scope: 'user.info,user.metrics' } },
    { accessToken: 'a', expiresAt: in1h, scopes: ['user.info', 'user.metrics'] },
    { facts: { tokenResponsePath: 'body' } },
  ],
  [
    'a token in a list (Instagram business login)',
    { data: [{ access_token: 'a', permissions: 'b' }] },
    { accessToken: 'a' },
    { facts: { tokenResponsePath: 'data.0' } },
  ],
  [
    'a token under its own name (Yammer)',
    { user: {}, access_token: { token: 'a', user_id: 1 } },
    { accessToken: 'a' },
    { facts: { tokenResponsePath: 'access_token', tokenResponseAliases: { access_token: 'token' } } },
  ],
  [
    'an alias by dotted path',
    { result: { key: 'a' } },
    { accessToken: 'a' },
    { facts: { tokenResponseAliases: { access_token: 'result.key' } } },
  ],
  [
    'an alias that is null gives way to the standard name',
    { token: null, access_token: 'a' },
    { accessToken: 'a' },
    { facts: { tokenResponseAliases: { access_token: 'token' } } },
  ],
  [
    'a path that is missing: the top',
    minimal,
    { accessToken: 'a' },
    { facts: { tokenResponsePath: 'data' } },
  ],
  [
    'R18 camelCase (plentymarkets)',
    { accessToken: 'a', refreshToken: 'r', expiresIn: 3600, tokenType: 'Bearer' },
    { accessToken: 'a', refreshToken: 'r', expiresAt: in1h },
  ],
  ['a null standard field beside camelCase', { access_token: null, accessToken: 'a' }, { accessToken: 'a' }],
  [
    'R18 the bot of a Slack workspace before the person',
    {
      ok: true,
      access_token: 'xoxb-1',
      scope: 'commands',
      token_type: 'bot',
      authed_user: { id: 'U1', access_token: 'xoxp-1', scope: 'search:read' },
    },
    { accessToken: 'xoxb-1', scopes: ['commands'], extra: { 'authed_user.id': 'U1' } },
    { facts: { userTokenPath: 'authed_user', tokenFields: ['authed_user.id', 'team.id'] } },
  ],
  [
    'R18 the person, when Slack gives no bot token',
    {
      ok: true,
      authed_user: {
        id: 'U1',
        access_token: 'xoxp-1',
        refresh_token: 'xoxe-1',
        expires_in: 3600,
        scope: 'search:read',
        token_type: 'user',
      },
    },
    { accessToken: 'xoxp-1', refreshToken: 'xoxe-1', expiresAt: in1h, scopes: ['search:read'] },
    { facts: { userTokenPath: 'authed_user' } },
  ],
  [
    'further fields by dotted path, nulls left out',
    { ...minimal, instance_url: 'https://x.example', team: { id: 'T1', name: null } },
    { extra: { instance_url: 'https://x.example', 'team.id': 'T1' } },
    { facts: { tokenFields: ['instance_url', 'team.id', 'team.name', 'none'] } },
  ],

  // Prototype names
  ['__proto__ in JSON', '{"__proto__":{"access_token":"evil"},"access_token":"a"}', { accessToken: 'a' }],
  ['__proto__ in a form', '__proto__=evil&access_token=a', { accessToken: 'a' }],
  [
    'constructor and toString as members',
    '{"constructor":"x","toString":1,"hasOwnProperty":2,"access_token":"a"}',
    { accessToken: 'a' },
  ],
]

describe('a token answer is understood', () => {
  it.each(understood)('%s', (_, body, expected, given) => {
    expect(read(body, given)).toMatchObject(expected)
  })
})

type Refused = [name: string, body: unknown, error: string, description: string | undefined, given?: Given]

const refused: Refused[] = [
  [
    'the example of RFC 6749 section 5.2',
    { error: 'invalid_request' },
    'invalid_request',
    undefined,
    { status: 400 },
  ],
  [
    'a description',
    { error: 'invalid_grant', error_description: 'Expired.' },
    'invalid_grant',
    'Expired.',
    { status: 400 },
  ],
  ['status 401', { error: 'invalid_client' }, 'invalid_client', undefined, { status: 401 }],
  [
    'P33 an error inside 200 (GitHub)',
    { error: 'bad_verification_code', error_description: 'The code passed is incorrect or expired.' },
    'bad_verification_code',
    'The code passed is incorrect or expired.',
  ],
  [
    'P33 an error inside 200, as a form (GitHub)',
    'error=bad_verification_code&error_description=The+code+passed+is+incorrect.&error_uri=x',
    'bad_verification_code',
    'The code passed is incorrect.',
  ],
  ['P33 ok false (Slack)', { ok: false, error: 'invalid_code' }, 'invalid_code', undefined],
  ['P33 ok false and nothing else', { ok: false }, 'error', undefined],
  ['an error beside a token', { ...minimal, error: 'invalid_scope' }, 'invalid_scope', undefined],
  ['ok false beside a token', { ok: false, ...minimal }, 'error', undefined],
  ['success "false" beside a token', { success: 'false', ...minimal, message: 'no' }, 'error', 'no'],
  ['status "error" beside a token', { status: 'error', ...minimal }, 'error', undefined],
  ['status false beside a token', { status: false, ...minimal }, 'error', undefined],
  [
    'errcode beside a token (WeChat)',
    { errcode: 40029, errmsg: 'invalid code', ...minimal },
    '40029',
    'invalid code',
  ],
  [
    'an error object (Facebook)',
    {
      error: {
        message: 'This authorization code has been used.',
        type: 'OAuthException',
        code: 100,
        fbtrace_id: 'x',
      },
    },
    'OAuthException',
    'This authorization code has been used.',
    { status: 400 },
  ],
  [
    'an error object of Google APIs',
    { error: { code: 400, message: 'Bad', status: 'INVALID_ARGUMENT' } },
    'INVALID_ARGUMENT',
    'Bad',
    { status: 400 },
  ],
  [
    'an error object of Yahoo',
    { error: { localizedMessage: 'x', errorId: 'INVALID_INPUT', message: 'm' } },
    'INVALID_INPUT',
    'm',
    { status: 400 },
  ],
  [
    'an error object of Dropbox',
    { error_summary: 'expired_access_token/..', error: { '.tag': 'expired_access_token' } },
    'expired_access_token',
    'expired_access_token/..',
    { status: 401 },
  ],
  [
    'a list of errors (Fitbit)',
    { errors: [{ errorType: 'invalid_grant', message: 'Refresh token invalid' }], success: false },
    'invalid_grant',
    'Refresh token invalid',
    { status: 400 },
  ],
  [
    'a list of errors (Strava)',
    { message: 'Bad Request', errors: [{ resource: 'Application', field: 'client_id', code: 'invalid' }] },
    'invalid',
    'Bad Request',
    { status: 400 },
  ],
  ['a list of texts', { errors: ['nope'] }, 'nope', undefined, { status: 400 }],
  [
    'Salesforce',
    { error: 'invalid_grant', error_description: 'expired access/refresh token' },
    'invalid_grant',
    'expired access/refresh token',
    { status: 400 },
  ],
  [
    'Azure',
    {
      error: 'invalid_grant',
      error_description: 'AADSTS70008: expired',
      error_codes: [70008],
      correlation_id: 'x',
      suberror: 'bad_token',
    },
    'invalid_grant',
    'AADSTS70008: expired',
    { status: 400 },
  ],
  [
    'error as a number (Reddit)',
    { message: 'Unauthorized', error: 401 },
    '401',
    'Unauthorized',
    { status: 401 },
  ],
  [
    'error true (Figma)',
    { status: 400, error: true, message: 'Invalid code' },
    '400',
    'Invalid code',
    { status: 400 },
  ],
  [
    'Instagram',
    { error_type: 'OAuthException', code: 400, error_message: 'Matching code was not found' },
    'OAuthException',
    'Matching code was not found',
    { status: 400 },
  ],
  [
    'HubSpot',
    { status: 'BAD_AUTH_CODE', message: 'missing or unknown auth code', correlationId: 'x' },
    'BAD_AUTH_CODE',
    'missing or unknown auth code',
    { status: 400 },
  ],
  [
    'Okta',
    { errorCode: 'invalid_client', errorSummary: 'Invalid value.', errorId: 'oae1', errorCauses: [] },
    'invalid_client',
    'Invalid value.',
    { status: 401 },
  ],
  [
    'Twitch',
    { status: 400, message: 'Invalid authorization code' },
    '400',
    'Invalid authorization code',
    { status: 400 },
  ],
  [
    'Discord at its limit',
    { message: 'You are being rate limited.', retry_after: 1, code: 0 },
    'error',
    'You are being rate limited.',
    { status: 429 },
  ],
  [
    'Zoom',
    { reason: 'Invalid Token!', error: 'invalid_request' },
    'invalid_request',
    'Invalid Token!',
    { status: 400 },
  ],
  [
    'PayPal',
    { name: 'AUTHENTICATION_FAILURE', message: 'Failed.' },
    'AUTHENTICATION_FAILURE',
    'Failed.',
    { status: 401 },
  ],
  ['ClickUp', { err: 'Code not found', ECODE: 'OAUTH_014' }, 'OAUTH_014', 'Code not found', { status: 400 }],
  [
    'Bitly inside 200',
    { status_code: 500, data: null, status_txt: 'INVALID_CODE' },
    'INVALID_CODE',
    undefined,
  ],
  [
    'Feishu inside 200',
    { code: 20003, msg: 'invalid authorization code' },
    '20003',
    'invalid authorization code',
  ],
  [
    'TikTok of old inside 200',
    { data: { error_code: 10007, description: 'Code is expired.' }, message: 'error' },
    '10007',
    'Code is expired.',
    { facts: { tokenResponsePath: 'data' } },
  ],
  [
    'Alipay inside 200',
    { error_response: { code: '40002', msg: 'Invalid Arguments' } },
    '40002',
    'Invalid Arguments',
  ],
  [
    'Withings inside 200',
    { status: 601, body: {} },
    '601',
    undefined,
    { facts: { tokenResponsePath: 'body' } },
  ],
  [
    'Untappd',
    { meta: { code: 500, error_detail: 'bad', error_type: 'invalid_auth' }, response: [] },
    'invalid_auth',
    'bad',
    { status: 500, facts: { tokenResponsePath: 'response' } },
  ],
  [
    'OneLogin of old',
    { status: { error: true, code: 401, type: 'Unauthorized', message: 'Authentication Failure' } },
    '401',
    'Authentication Failure',
    { status: 401 },
  ],
  [
    'QQ',
    'callback( {"error":100016,"error_description":"access token check failed"} );',
    '100016',
    'access token check failed',
  ],
  [
    'Apigee',
    { fault: { faultstring: 'Invalid ApiKey', detail: { errorcode: 'oauth.v2.InvalidApiKey' } } },
    'oauth.v2.InvalidApiKey',
    'Invalid ApiKey',
    { status: 401 },
  ],
  [
    'problem details (RFC 9457)',
    { type: 'about:blank', title: 'Forbidden', status: 403, detail: 'No.' },
    'about:blank',
    'No.',
    { status: 403 },
  ],
  ['Rails', { error: { base: ['is not valid'] } }, 'error', 'is not valid', { status: 422 }],
  [
    'a token with status 400 and an error',
    { ...minimal, error: 'x_failed' },
    'x_failed',
    undefined,
    { status: 400 },
  ],
  [
    'an error with a null token',
    { access_token: null, message: 'No token for you' },
    'error',
    'No token for you',
  ],
  ['an error with an empty token', { access_token: '', code: 5, msg: 'no' }, '5', 'no'],
  [
    'an error in the nested object',
    { data: { error: 'invalid_grant' } },
    'invalid_grant',
    undefined,
    { facts: { tokenResponsePath: 'data' } },
  ],
  [
    'an error above the nested token',
    { error: 'invalid_grant', data: minimal },
    'invalid_grant',
    undefined,
    { facts: { tokenResponsePath: 'data' } },
  ],
]

describe('a refusal never becomes a token, and says what the provider said', () => {
  it.each(refused)('%s', (_, body, error, errorDescription, given) => {
    const thrown = failure(body, given)
    expect(thrown).toBeInstanceOf(TokenEndpointError)
    expect(thrown).toMatchObject({ error, errorDescription, status: given?.status ?? 200, provider: 'acme' })
  })
})

type Unusable = [name: string, body: unknown, code: string, message: RegExp, given?: Given]

const unusable: Unusable[] = [
  ['nothing', '', 'response_not_oauth', /an empty body/],
  ['white space', ' \n', 'response_not_oauth', /an empty body/],
  ['an HTML page', '<!doctype html><title>Sign in</title>', 'response_not_oauth', /HTML/],
  [
    'an HTML page with a form-like link',
    '<a href="/?access_token=a&b=c">x</a>',
    'response_not_oauth',
    /HTML/,
  ],
  ['a sentence that does not say no', 'Hello there', 'response_not_oauth', /neither JSON nor form/],
  [
    'a sentence with a link',
    'Go to https://x.example/?a=1&access_token=abc&b=2 now',
    'response_not_oauth',
    /neither/,
  ],
  ['a URL', 'https://x.example/cb?a=b&access_token=abc', 'response_not_oauth', /neither/],
  ['a URL fragment', '#access_token=abc', 'response_not_oauth', /neither/],
  ['lines of text', 'error\naccess_token=abc', 'response_not_oauth', /neither/],
  ['XML of another kind', '<?xml version="1.0"?><rss><title>a</title></rss>', 'response_not_oauth', /XML/],
  ['JSON that is cut off', '{"access_token":"canary-cut', 'response_truncated', /cut off/],
  ['JSON that is cut off with status 500', '{"error":"inv', 'response_not_oauth', /cut off/, { status: 500 }],
  ['malformed JSON', "{'access_token': 'a'}", 'response_not_oauth', /malformed/],
  ['a list of two', '[{"access_token":"a"},{"access_token":"b"}]', 'response_not_oauth', /JSON list/],
  ['a JSON text', '"access_token=a"', 'response_not_oauth', /neither/],
  ['null', 'null', 'response_not_oauth', /neither/],
  ['a number', '17', 'response_not_oauth', /neither/],
  ['an empty object', '{}', 'response_not_oauth', /without an access token \(its members: none\)/],
  ['another object', { user: 'ada', plan: 'free' }, 'response_not_oauth', /its members: user, plan/],
  ['a person', { id: 'u1', name: 'Ada', type: 'user' }, 'response_not_oauth', /its members: id, name, type/],
  ['a token under an unknown name', { token: 'a' }, 'response_not_oauth', /without an access token/],
  [
    'two nested tokens that nothing tells apart',
    { bot: { access_token: 'a' }, person: { access_token: 'b' } },
    'response_not_oauth',
    /without an access token/,
  ],
  [
    'a token in a quoted request',
    { request: { access_token: 'a' } },
    'response_not_oauth',
    /without an access token/,
  ],
  ['a token with status 400', minimal, 'response_not_oauth', /HTTP 400/, { status: 400 }],
  ['a token with status 500', minimal, 'response_not_oauth', /Try again later/, { status: 500 }],
  ['a form token with status 403', 'access_token=a', 'response_not_oauth', /HTTP 403/, { status: 403 }],
  ['a null token', { access_token: null }, 'response_not_oauth', /without an access token/],
  ['an empty token', { access_token: '' }, 'token_invalid', /empty or not a plain string/],
  ['an empty form token', 'access_token=&token_type=bearer', 'token_invalid', /empty/],
  ['a number for a token', { access_token: 12345 }, 'token_invalid', /not a plain string/],
  ['an object for a token', { access_token: { a: 1 } }, 'token_invalid', /not a plain string/],
  ['a list for a token', { access_token: ['a'] }, 'token_invalid', /not a plain string/],
  ['true for a token', { access_token: true }, 'token_invalid', /not a plain string/],
  ['a token with a space', { access_token: 'a b' }, 'token_invalid', /plain string/],
  ['a token with a line break', { access_token: 'a\n' }, 'token_invalid', /plain string/],
  ['a token with a null character', { access_token: 'a\u0000b' }, 'token_invalid', /plain string/],
  ['a token with a tab', { access_token: '\ta' }, 'token_invalid', /plain string/],
  ['a token with an umlaut', { access_token: 'tökén' }, 'token_invalid', /plain string/],
  ['a token with a replacement character', { access_token: 'a\ufffd' }, 'token_invalid', /plain string/],
  ['"null" for a token', { access_token: 'null' }, 'token_invalid', /plain string/],
  ['"undefined" in a form', 'access_token=undefined', 'token_invalid', /plain string/],
  ['two tokens in a form', 'access_token=a&access_token=b', 'token_invalid', /plain string/],
  ['token_type mac', { ...minimal, token_type: 'mac' }, 'token_invalid', /type "mac"/],
  ['token_type DPoP', { ...minimal, token_type: 'DPoP' }, 'token_invalid', /type "DPoP"/],
  ['token_type N_A (RFC 8693)', { ...minimal, token_type: 'N_A' }, 'token_invalid', /type "N_A"/],
  [
    'a prototype for a token',
    '{"__proto__":{"access_token":"evil"}}',
    'response_not_oauth',
    /without an access token/,
  ],
  ['status 204', '', 'response_not_oauth', /HTTP 204/, { status: 204 }],
  [
    'a proxy page',
    '<html><body>502 Bad Gateway</body></html>',
    'response_not_oauth',
    /Try again later/,
    { status: 502 },
  ],
  ['status 401 without a word', '', 'response_not_oauth', /client id and secret/, { status: 401 }],
  [
    'JSON with status 404 and no error',
    { path: '/token' },
    'response_not_oauth',
    /no OAuth error/,
    { status: 404 },
  ],
]

describe('an answer that is no token never becomes one', () => {
  it.each(unusable)('%s', (_, body, code, message, given) => {
    const thrown = failure(body, given)
    expect(thrown).toBeInstanceOf(InvalidResponseError)
    expect(thrown).toMatchObject({
      code,
      status: given?.status ?? 200,
      message: expect.stringMatching(message),
    })
    expect(inspect(thrown)).not.toContain('canary')
  })

  it('leaves no trace on Object.prototype', () => {
    failure('{"__proto__":{"polluted":1},"constructor":{"prototype":{"polluted":1}},"access_token":"a"}')
    failure('__proto__[polluted]=1&__proto__.polluted=1&access_token=a')
    expect(({} as Record<string, unknown>)['polluted']).toBeUndefined()
  })

  it('is written again without overflow, however deep an answer is nested', () => {
    const well = '['.repeat(100_000) + ']'.repeat(100_000)
    const answer = read(`{"access_token":"a","refresh_token":"r","well":${well}}`)
    expect(answer).toMatchObject({ accessToken: 'a', refreshToken: 'r' })
    expect(JSON.parse(JSON.stringify(answer.raw))).toEqual({
      access_token: 'a',
      refresh_token: 'r',
      well: true,
    })
    expect(failure(`{"access_token":"a","error":${well}}`)).toBeInstanceOf(TokenEndpointError)
    expect(failure(`{"access_token":${well}}`)).toBeInstanceOf(InvalidResponseError)
  })

  it('takes time in proportion to the length of an answer', () => {
    const begun = performance.now()
    const length = 256 * 1024
    for (const filler of [
      ' ',
      '}',
      '\\',
      'a',
      '=',
      '&a',
      '<',
      '[',
      '{"a":',
      '(',
      'callback(',
      '\ufeff',
      '%2',
      '. ',
    ]) {
      const many = filler.repeat(length / filler.length)
      for (const text of [many, `{${many}`, `callback({${many}`, `access_token=${many}`, `<${many}`])
        failure(text)
    }
    failure(Array.from({ length: 40_000 }, (_, index) => `k${index}=1`).join('&'))
    const names = Array.from({ length: 40_000 }, (_, index) => `n${index}=1`).join('&')
    expect(read(`access_token=a&${names}`).accessToken).toBe('a')
    expect(performance.now() - begun).toBeLessThan(4000)
  })
})

describe('R22 P59 what a provider says back holds no secret', () => {
  const secrets = ['canary/secret+1', 'canary refresh', 'canary"quoted']

  it.each([
    ['as it is', 'the secret canary/secret+1 is wrong'],
    ['percent-encoded', 'canary%2Fsecret%2B1'],
    ['as in a form', 'canary+refresh'],
    ['as in JSON', 'canary\\"quoted'],
    ['as the error itself', 'canary/secret+1'],
  ])('quoted back %s', (_, text) => {
    for (const body of [{ error: 'x', error_description: text }, { error: text }]) {
      const thrown = failure(body, { status: 400, secrets })
      expect(inspect(thrown, { showHidden: true, depth: null })).not.toMatch(/canary/)
      expect(inspect(thrown)).toContain('[redacted]')
    }
  })

  it('a short secret does not tear words apart', () => {
    const body = { error: 'invalid_grant', error_description: 'the grant: "grant" is a-grant, not granted' }
    expect(failure(body, { status: 400, secrets: ['grant', 'a', '.'] })).toMatchObject({
      error: 'invalid_grant',
      errorDescription: 'the [redacted]: "[redacted]" is [redacted]-[redacted], not granted',
    })
  })

  it('nor a token of the same answer', () => {
    const body = { access_token: 'canary-new', error: 'odd', error_description: 'canary-new is not for you' }
    expect(inspect(failure(body))).not.toContain('canary')
  })

  it('R7 keeps a few safe words of a page, where logs do not find them', () => {
    const page = `<html><head><title>Proxy</title><style>p{}</style></head><body><p>Sign in,\u202e please</p>
      <script>var token = "canary-script"</script>canary/secret+1 ${'Zm9v'.repeat(20)}</body></html>`
    const thrown = failure(page, { status: 502, secrets })
    expect((thrown as InvalidResponseError).excerpt).toBe('Proxy Sign in, please [redacted] […]')
    expect(inspect(thrown)).not.toContain('Sign in')
    expect(JSON.stringify(thrown)).not.toContain('Sign in')
  })

  it.each([
    ['cut JSON', '{"access_token":"canary-cut'],
    ['a list', '["canary-listed"]'],
    ['a JSON text', '"canary-text"'],
    ['a form', 'token=canary-form'],
  ])('R7 keeps no words of %s', (_, text) => {
    expect((failure(text, { status: 500 }) as InvalidResponseError).excerpt).toBeUndefined()
  })

  it('names members only if they look like names', () => {
    const thrown = failure({ ok_name: 1, 'eyJhbGciOiJIUzI1NiJ9.canary1': 2, 'a b': 3 })
    expect((thrown as Error).message).toContain('(its members: ok_name)')
  })

  it('a long error text stays short', () => {
    const thrown = failure(
      { error: 'e'.repeat(5000), error_description: 'd'.repeat(900_000) },
      { status: 400 },
    )
    expect(inspect(thrown).length).toBeLessThan(5000)
  })
})

describe('Retry-After', () => {
  it.each([
    ['seconds', '120', 120],
    ['a fraction', '1.5', 2],
    ['zero', '0', 0],
    ['a date', 'Sun, 01 Mar 2026 12:02:00 GMT', 120],
    ['a date that has passed', 'Sun, 01 Mar 2026 11:00:00 GMT', 0],
    ['a word', 'soon', undefined],
    ['a negative number', '-5', undefined],
    ['what Date.parse would take', '5 minutes', undefined],
    ['nothing', '', undefined],
  ])('as %s', (_, text, seconds) => {
    expect(retryAfter(new Headers({ 'retry-after': text }), now)).toBe(seconds)
  })

  it('R7 reaches the error, whatever its class', () => {
    const given = { status: 503, headers: { 'retry-after': '7' } }
    expect(failure({ error: 'temporarily_unavailable' }, given)).toMatchObject({ retryAfterSeconds: 7 })
    expect(failure('<html>', given)).toMatchObject({ retryAfterSeconds: 7 })
  })
})

describe('R16 an answer to a revocation', () => {
  const judge = (body: unknown, given: Given = {}) => {
    const context = { provider: providerWith(given.facts), request: 'revocation', secrets: [], now }
    return () => throwIfNotSuccess(answerOf(body, given), context)
  }

  it.each([
    ['empty', '', 200],
    ['204', '', 204],
    ['an empty object', '{}', 200],
    ['ok true (Slack)', '{"ok":true,"revoked":true}', 200],
    ['a page', '<html>fine</html>', 200],
    ['a message', '{"message":"done","status":200}', 200],
    ['JSON null (Dropbox)', 'null', 200],
  ])('%s is a success', (_, body, status) => {
    expect(judge(body, { status })).not.toThrow()
  })

  it.each([
    ['unsupported_token_type', { error: 'unsupported_token_type' }, 400, 'unsupported_token_type'],
    ['ok false inside 200', { ok: false, error: 'not_authed' }, 200, 'not_authed'],
    ['a message', { message: 'nope' }, 403, 'error'],
  ])('%s is typed', (_, body, status, error) => {
    expect(judge(body, { status })).toThrow(expect.objectContaining({ name: 'TokenEndpointError', error }))
  })

  it('503 without a word is no OAuth answer', () => {
    expect(judge('', { status: 503 })).toThrow(
      expect.objectContaining({ code: 'response_not_oauth', status: 503 }),
    )
  })
})

it('a person with a code and a title is no refusal', () => {
  const context = { provider: providerWith(), request: 'userinfo', secrets: [], now }
  const person = { sub: 'u1', code: 4711, title: 'Engineer', status: 404 }
  expect(() => throwIfNotSuccess(answerOf(person, {}), context)).not.toThrow()
})

describe('deviations of an answer', () => {
  const found = (body: unknown, given: Given = {}) =>
    read(body, { headers: { 'content-type': 'application/json; charset=utf-8' }, ...given }).deviations
  const bearer = { ...minimal, token_type: 'Bearer' }

  it('are none in an answer as the RFC wants it', () => {
    expect(
      found({ ...bearer, expires_in: 3600, refresh_token: 'r', scope: 'read write', id_token: 'e.y.J' }),
    ).toEqual([])
    expect(found(bearer, { headers: { 'content-type': 'application/vnd.acme+json' } })).toEqual([])
    expect(found({ ...bearer, token_type: 'BEARER' })).toEqual([])
  })

  it.each<[string, unknown, object, Given?]>([
    ['no content type', bearer, { code: 'content_type', found: 'none' }, { headers: {} }],
    [
      'another one',
      bearer,
      { code: 'content_type', found: 'text/html' },
      { headers: { 'content-type': 'text/html' } },
    ],
    ['a form', 'access_token=a&token_type=Bearer', { code: 'form_encoded' }],
    ['another status', bearer, { code: 'status', found: '201' }, { status: 201 }],
    ['a guard', `for(;;);${JSON.stringify(bearer)}`, { code: 'wrapped' }],
    ['nested', { data: bearer }, { code: 'nested', found: 'data', row: { tokenResponsePath: 'data' } }],
    [
      'renamed',
      { accessToken: 'a', token_type: 'Bearer' },
      {
        code: 'renamed',
        member: 'access_token',
        found: 'accessToken',
        row: { tokenResponseAliases: { access_token: 'accessToken' } },
      },
    ],
    [
      'text for a number',
      { ...bearer, expires_in: '60' },
      { code: 'wrong_type', member: 'expires_in', found: 'string' },
    ],
    ['a list of scopes', { ...bearer, scope: ['a'] }, { code: 'wrong_type', member: 'scope', found: 'list' }],
    ['no type', minimal, { code: 'missing', member: 'token_type' }],
    ['null', { ...bearer, scope: null }, { code: 'missing', member: 'scope', found: 'null' }],
    [
      'another type',
      { ...minimal, token_type: 'bot' },
      { code: 'token_type', member: 'token_type', found: 'bot' },
    ],
    ['commas', { ...bearer, scope: 'a,b' }, { code: 'scope_separator', member: 'scope', found: ',' }],
    [
      'an instant',
      { ...bearer, expires_in: in1h / 1000 },
      {
        code: 'lifetime',
        member: 'expires_in',
        found: 'expires_in: epoch-seconds',
        row: { expiresInUnit: 'epoch-seconds' },
      },
    ],
    ['an error that is none', { ...bearer, error: null }, { code: 'error_member', found: 'error' }],
  ])('%s', (_, body, expected, given) => {
    expect(found(body, given)).toContainEqual(expected)
  })

  it('R22 quote no secret that a provider writes where a name or a type belongs', () => {
    const secret = 'canary-token-1'
    const shown = [
      ...found({ access_token: secret, token_type: secret, scope: null, error: null }),
      ...found({ [secret]: { access_token: secret, token_type: 'x' } }),
      ...found(bearer, { headers: { 'content-type': 'text/canary-secret' }, secrets: ['canary-secret'] }),
    ]
    expect(shown.length).toBeGreaterThan(5)
    expect(JSON.stringify(shown)).not.toContain('canary')
  })
})
