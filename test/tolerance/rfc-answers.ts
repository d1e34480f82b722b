// Answers as the RFCs write them, and at the edges of what they allow: each of these has one right reading.
// RFC 6749 sections 5.1, 5.2 and appendix A, RFC 6750, 7662, 8628, 8693, 9449, OpenID Connect Core sections 3.1.3.3 and 12.2.
import { type Case, junk, refused, renewal, tokens } from './outcome.ts'

const json = { 'content-type': 'application/json;charset=UTF-8', 'cache-control': 'no-store' }

export const rfcAnswers: readonly Case[] = [
  [
    'RFC 6749 5.1, the example',
    '{\n  "access_token":"2YotnFZFEjr1zCsicMWpAA",\n  "token_type":"example",\n  "expires_in":3600,\n  "refresh_token":"tGzv3JOkF0XG5Qx2TlKWIA",\n  "example_parameter":"example_value"\n}',
    tokens('2YotnFZFEjr1zCsicMWpAA', {
      refresh: 'tGzv3JOkF0XG5Qx2TlKWIA',
      in: 3600,
      raw: { example_parameter: 'example_value' },
    }),
    { headers: json, note: 'an unknown type is presented as a bearer token, as requests-oauthlib reads it' },
  ],
  ['RFC 6749 5.1, required members only', '{"access_token":"a","token_type":"Bearer"}', tokens('a')],
  ['RFC 6749 5.1, bearer in small letters', '{"access_token":"a","token_type":"bearer"}', tokens('a')],
  ['RFC 6749 5.1, BEARER', '{"access_token":"a","token_type":"BEARER"}', tokens('a')],
  [
    'RFC 6749 5.1, scope',
    '{"access_token":"a","token_type":"Bearer","scope":"read write"}',
    tokens('a', { scopes: ['read', 'write'] }),
  ],
  [
    'RFC 6749 5.1, fewer scopes than asked for',
    '{"access_token":"a","token_type":"Bearer","scope":"other"}',
    tokens('a', { scopes: ['other'] }),
  ],
  [
    'RFC 6749 A.4, scopes of odd characters',
    '{"access_token":"a","token_type":"Bearer","scope":"a:b https://x.example/y#z c[d]!"}',
    tokens('a', { scopes: ['a:b', 'https://x.example/y#z', 'c[d]!'] }),
  ],
  [
    'RFC 6749 A.12, every character that a header takes',
    '{"access_token":"!#$%&\'()*+,-./:;<=>?@[]^_`{|}~","token_type":"Bearer"}',
    tokens("!#$%&'()*+,-./:;<=>?@[]^_`{|}~"),
  ],
  [
    'RFC 6749 A.14, a lifetime of one second',
    '{"access_token":"a","token_type":"Bearer","expires_in":1}',
    tokens('a', { in: 1 }),
  ],
  [
    'RFC 6749 A.14, zero in an answer that is right otherwise',
    '{"access_token":"a","token_type":"Bearer","expires_in":0}',
    tokens('a', { in: 0 }),
    { note: 'read as it is written; "never" only where the answer is odd in other ways (VK, Mailchimp)' },
  ],
  [
    'RFC 6749 A.14, 68 years',
    '{"access_token":"a","token_type":"Bearer","expires_in":2147483647}',
    tokens('a', { in: 2_147_483_647 }),
  ],
  [
    'RFC 6749 5.1, unknown members are ignored',
    '{"access_token":"a","token_type":"Bearer","x":{"access_token":"b"},"y":[1,null],"z":true}',
    tokens('a'),
  ],
  [
    'RFC 6749 5.1, members in any order',
    '{"expires_in":60,"refresh_token":"r","token_type":"Bearer","access_token":"a"}',
    tokens('a', { refresh: 'r', in: 60 }),
  ],
  [
    'RFC 8259, escapes in names and values',
    '{"access\\u005ftoken":"\\u0061\\/b","token_type":"Bearer"}',
    tokens('a/b'),
  ],
  [
    'RFC 6749 6, a refresh that rotates',
    '{"access_token":"b","token_type":"Bearer","expires_in":3600,"refresh_token":"r1"}',
    tokens('b', { refresh: 'r1', in: 3600 }),
    renewal,
  ],
  [
    'RFC 6749 6, a refresh that keeps the refresh token',
    '{"access_token":"b","token_type":"Bearer","expires_in":3600}',
    tokens('b', { refresh: 'r0', in: 3600 }),
    renewal,
  ],
  [
    'RFC 6749 6, a refresh that narrows the scope',
    '{"access_token":"b","token_type":"Bearer","scope":"less"}',
    tokens('b', { refresh: 'r0', scopes: ['less'] }),
    renewal,
  ],
  [
    'OpenID Connect 3.1.3.3',
    '{"access_token":"SlAV32hkKG","token_type":"Bearer","refresh_token":"8xLOxBtZp8","expires_in":3600,"id_token":"eyJ.eyJ.sig"}',
    tokens('SlAV32hkKG', { refresh: '8xLOxBtZp8', in: 3600, id: 'eyJ.eyJ.sig' }),
  ],
  [
    'RFC 8693 2.2.1, the example',
    '{"access_token":"eyJhbGciOiJFUzI1NiJ9.e30.x","issued_token_type":"urn:ietf:params:oauth:token-type:access_token","token_type":"Bearer","expires_in":60}',
    tokens('eyJhbGciOiJFUzI1NiJ9.e30.x', {
      in: 60,
      raw: { issued_token_type: 'urn:ietf:params:oauth:token-type:access_token' },
    }),
  ],
  [
    'RFC 9396 7, authorization_details',
    '{"access_token":"a","token_type":"Bearer","authorization_details":[{"type":"payment","amount":"1.00"}]}',
    tokens('a', { extra: { authorization_details: [{ type: 'payment', amount: '1.00' }] } }),
  ],
  [
    'RFC 9449 5, a bound token for a request without a proof',
    '{"access_token":"a","token_type":"DPoP"}',
    junk(200, 'token_invalid'),
  ],
  [
    'RFC 6749 7.1, a type that nobody here can present',
    '{"access_token":"a","token_type":"mac"}',
    junk(200, 'token_invalid'),
  ],
  [
    'RFC 8693 2.2.1, N_A is no access token',
    '{"access_token":"a","token_type":"N_A"}',
    junk(200, 'token_invalid'),
  ],
  ['RFC 6749 A.12, an empty token', '{"access_token":"","token_type":"Bearer"}', junk(200, 'token_invalid')],
  [
    'RFC 6749 A.12, a token with a line break',
    '{"access_token":"a\\nb","token_type":"Bearer"}',
    junk(200, 'token_invalid'),
  ],
  ['RFC 6749 A.12, a number', '{"access_token":12,"token_type":"Bearer"}', junk(200, 'token_invalid')],
  ['RFC 6749 5.1, no access token', '{"token_type":"Bearer","expires_in":3600}', junk(200)],
  ['OpenID Connect, an id_token alone', '{"id_token":"eyJ.eyJ.sig","token_type":"Bearer"}', junk(200)],
  ['RFC 8259, JSON that is cut off', '{"access_token":"2YotnFZFEjr1zC', junk(200, 'response_truncated')],
  [
    'RFC 6749 5.2, the example',
    '{\n  "error":"invalid_request"\n}',
    refused(400, 'invalid_request', undefined, 'ours'),
    { headers: json },
  ],
  ...[
    ['invalid_client', 'ours'],
    ['invalid_grant', 'dead'],
    ['unauthorized_client', 'ours'],
    ['unsupported_grant_type', 'ours'],
    ['invalid_scope', 'ours'],
  ].map(
    ([error = '', verdict]): Case => [
      `RFC 6749 5.2, ${error}`,
      { error, error_description: 'Why.', error_uri: 'https://as.example/why' },
      refused(400, error, 'Why.', verdict === 'dead' ? 'dead' : 'ours'),
      renewal,
    ],
  ),
  [
    'RFC 6749 5.2, invalid_client with 401',
    '{"error":"invalid_client"}',
    refused(401, 'invalid_client', undefined, 'ours'),
    { headers: { ...json, 'www-authenticate': 'Basic realm="as"' } },
  ],
  [
    'RFC 8707 2, invalid_target',
    '{"error":"invalid_target","error_description":"Unknown resource."}',
    refused(400, 'invalid_target', 'Unknown resource.', 'ours'),
  ],
  [
    'RFC 9449 8, use_dpop_nonce',
    '{"error":"use_dpop_nonce","error_description":"Authorization server requires nonce in DPoP proof"}',
    refused(400, 'use_dpop_nonce', 'Authorization server requires nonce in DPoP proof', 'ours'),
  ],
  [
    'RFC 8628 3.5, authorization_pending',
    '{"error":"authorization_pending"}',
    refused(400, 'authorization_pending', undefined, 'later'),
  ],
  ['RFC 8628 3.5, slow_down', '{"error":"slow_down"}', refused(400, 'slow_down', undefined, 'later')],
  [
    'RFC 8628 3.5, access_denied',
    '{"error":"access_denied"}',
    refused(400, 'access_denied', undefined, 'ours'),
  ],
  [
    'RFC 8628 3.5, expired_token',
    '{"error":"expired_token"}',
    refused(400, 'expired_token', undefined, 'dead'),
  ],
  [
    'RFC 6749 4.1.2.1 by RFC 9110, temporarily_unavailable with 503',
    '{"error":"temporarily_unavailable"}',
    refused(503, 'temporarily_unavailable', undefined, 'later', 120),
    { headers: { ...json, 'retry-after': '120' } },
  ],
  [
    'RFC 9110 10.2.3, Retry-After as a date',
    '{"error":"temporarily_unavailable"}',
    refused(503, 'temporarily_unavailable', undefined, 'later', 90),
    { headers: { ...json, 'retry-after': 'Sun, 01 Mar 2026 12:01:30 GMT' } },
  ],
  [
    'RFC 9110 15.6.1, 500 with an error',
    '{"error":"server_error"}',
    refused(500, 'server_error', undefined, 'later'),
  ],
  [
    'RFC 9110 15.6, 500 beside invalid_grant: nothing is given up on a maybe',
    '{"error":"invalid_grant"}',
    refused(500, 'invalid_grant', undefined, 'later'),
    renewal,
  ],
  [
    'RFC 6585 4, 429 beside invalid_grant',
    '{"error":"invalid_grant"}',
    refused(429, 'invalid_grant', undefined, 'later', 5),
    { ...renewal, headers: { 'retry-after': '5' } },
  ],
  [
    'RFC 9110, 401 beside invalid_grant',
    '{"error":"invalid_grant"}',
    refused(401, 'invalid_grant', undefined, 'dead'),
    renewal,
  ],
  [
    'RFC 9457, problem details',
    '{"type":"https://as.example/probs/locked","title":"Locked","status":403,"detail":"The client is locked."}',
    refused(403, 'https://as.example/probs/locked', 'The client is locked.', 'ours'),
    { headers: { 'content-type': 'application/problem+json' } },
  ],
  [
    'RFC 6749 5.2, an error and a token',
    '{"access_token":"a","token_type":"Bearer","error":"invalid_scope"}',
    refused(200, 'invalid_scope', undefined, 'ours'),
  ],
  ['RFC 6749 5.1, a token with 400', '{"access_token":"a","token_type":"Bearer"}', junk(400)],
]
