// What stands between a client and a server makes of answers: proxies, gateways, careless frameworks, broken encodings.
// RFC 8259 and RFC 9110 say how it should be. A failure stays a failure; a token that is there is found.
import { type Case, junk, refused, renewal, tokens } from './outcome.ts'

const good = '{"access_token":"a","token_type":"Bearer","expires_in":3600}'
const hour = tokens('a', { in: 3600 })
const type = (value: string) => ({ headers: { 'content-type': value } })

/** UTF-16 as it is on the wire. */
function utf16(text: string): Uint8Array {
  return Uint8Array.from([0xff, 0xfe, ...Array.from(text).flatMap((letter) => [letter.charCodeAt(0), 0])])
}

export const gatewayAnswers: readonly Case[] = [
  // The content type lies
  ['JSON called HTML', good, hour, type('text/html')],
  ['JSON called a form', good, hour, type('application/x-www-form-urlencoded')],
  ['JSON called an octet stream', good, hour, type('application/octet-stream')],
  ['JSON without a type', good, hour, type('')],
  ['JSON with a type of its own', good, hour, type('application/vnd.acme.v2+json')],
  ['a form called JSON', 'access_token=a&token_type=Bearer&expires_in=3600', hour, type('application/json')],
  ['a form called HTML', 'access_token=a&expires_in=3600', hour, type('text/html')],

  // Success by another status
  ['201', good, tokens('a', { in: 3600, status: 201 })],
  ['202', good, tokens('a', { in: 3600, status: 202 })],
  ['203 of a proxy that changed something', good, tokens('a', { in: 3600, status: 203 })],
  ['204 without a word', '', junk(204)],

  // Around the JSON
  ['a byte order mark', `\ufeff${good}`, hour],
  ['white space around', `\r\n\t ${good}\r\n\r\n`, hour],
  ['UTF-16', utf16(good), hour, type('application/json; charset=utf-16')],
  ["the guard )]}'", `)]}'\n${good}`, hour],
  ["the guard )]}',", `)]}',\n${good}`, hour],
  ['the guard while(1);', `while(1);${good}`, hour],
  ['the guard for(;;);', `for (;;);${good}`, hour],
  ['the guard throw', `throw 1; ${good}`, hour],
  ['the guard {}&&', `{}&&${good}`, hour],
  ['a call', `callback(${good})`, hour, type('application/javascript')],
  ['a call behind an empty comment (Rosetta)', `/**/callback(${good});`, hour],
  ['a call that asks first', `typeof cb === 'function' && cb(${good});`, hour],
  ['a comment', `/* ${good} */`, hour],
  ['a list of one', `[${good}]`, hour],
  [
    'JSON in JSON',
    JSON.stringify(good),
    hour,
    { note: 'encoded once too often, by API Gateway and .NET controllers' },
  ],
  ['sizes of chunks', `3b\r\n${good}\r\n0\r\n\r\n`, hour],
  ['lines of JSON', `${good}\n{"log":"issued"}\n`, hour],
  [
    'lines of JSON, an error among them',
    `${good}\n{"error":"server_error"}\n`,
    refused(200, 'server_error', undefined, 'later'),
  ],
  ['the same twice', `${good}${good}`, hour],
  ['a comment of a cache behind it', `${good}\n<!-- served in 12 ms -->`, hour],
  [
    'a warning of PHP before it',
    `<br />\n<b>Notice</b>:  Undefined index in <b>/x.php</b> on line <b>3</b><br />\n${good}`,
    hour,
    { note: 'the line of the warning is dropped, the JSON behind it is whole' },
  ],
  [
    'a page around it',
    `<html><body><pre>${good}</pre></body></html>`,
    junk(200),
    { note: 'a page is for people' },
  ],
  ['a sentence before it', `Your token: ${good}`, junk(200)],
  ['another list', `[${good},${good}]`, junk(200)],

  // Faults in the JSON
  ['a comma too many', '{"access_token":"a","token_type":"Bearer","expires_in":3600,}', hour],
  ['a comma too many, nested', '{"access_token":"a","expires_in":3600,"x":{"y":[1,2,],},}', hour],
  ['a line break in a text', '{"access_token":"a","expires_in":3600,"note":"one\ntwo"}', hour],
  [
    'a line break in a description',
    '{"error":"invalid_grant","error_description":"one\ntwo"}',
    refused(400, 'invalid_grant', 'one\ntwo', 'dead'),
    renewal,
  ],
  ['single quotes', "{'access_token':'a'}", junk(200), { note: 'that is another language' }],
  [
    'a member twice',
    '{"access_token":"b","access_token":"a","expires_in":3600}',
    hour,
    { note: 'the last one, as every reader of JSON has it' },
  ],
  ['a token twice in a form', 'access_token=a&access_token=b', junk(200, 'token_invalid')],
  ['cut off behind the token', '{"access_token":"a","token_type":"Bea', junk(200, 'response_truncated')],
  ['cut off in a call', 'callback({"access_token":"a"', junk(200)],
  [
    'gzip that nobody undid',
    Uint8Array.from([0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3, 0xab, 0x56, 0x4a]),
    junk(200),
  ],
  ['null', 'null', junk(200)],
  ['an empty object', '{}', junk(200)],
  ['an empty body', '', junk(200)],
  ['an empty list', '[]', junk(200)],
  [
    'a page of a captive portal',
    '<!DOCTYPE html><html><head><title>Sign in</title></head></html>',
    junk(200),
    type('text/html'),
  ],

  // Nobody's words for a token
  ['a token that says null', '{"access_token":"null","token_type":"Bearer"}', junk(200, 'token_invalid')],
  ['a token that says undefined', 'access_token=undefined', junk(200, 'token_invalid')],
  [
    'a token that was blackened',
    '{"access_token":"********","token_type":"Bearer"}',
    junk(200, 'token_invalid'),
  ],
  [
    'a token with spaces around it',
    '{"access_token":" a ","expires_in":3600}',
    hour,
    { note: 'no header carries them; the rest is whole' },
  ],
  ['a refresh token that says null', '{"access_token":"a","refresh_token":"null","expires_in":3600}', hour],
  ['a quoted request', '{"request":{"access_token":"b"},"status":"received"}', junk(200)],
  ['two tokens that nothing tells apart', '{"a":{"access_token":"x"},"b":{"access_token":"y"}}', junk(200)],

  // Members
  [
    'PascalCase',
    '{"AccessToken":"a","ExpiresIn":3600,"TokenType":"Bearer","RefreshToken":"r"}',
    tokens('a', { in: 3600, refresh: 'r' }),
  ],
  ['kebab-case', '{"access-token":"a","expires-in":3600,"token-type":"Bearer"}', hour],
  ['capitals', '{"ACCESS_TOKEN":"a","EXPIRES_IN":"3600"}', hour],
  ['nested in data', `{"data":${good}}`, hour],
  ['nested in result and response', `{"response":{"result":${good}}}`, hour],
  ['nested, the envelope at ease', `{"code":0,"message":"ok","error":null,"data":${good}}`, hour],
  [
    'nested, the envelope in trouble',
    `{"code":500,"error":"nope","data":${good}}`,
    refused(200, 'nope', undefined, 'ours'),
  ],
  ['nested by attributes (JSON:API)', `{"data":{"type":"tokens","id":"1","attributes":${good}}}`, hour],
  ['a token object', '{"token":{"access_token":"a","expires_in":3600},"user":{"id":1}}', hour],
  [
    'a token object with the rest outside',
    '{"access_token":{"token":"a"},"expires_in":3600,"refresh_token":"r"}',
    tokens('a', { in: 3600, refresh: 'r' }),
  ],

  // Lifetimes
  ['R8 P34 a float', '{"access_token":"a","expires_in":3600.0}', hour],
  ['R8 P34 text', '{"access_token":"a","expires_in":"3600"}', hour],
  ['R8 P34 text with a fraction', '{"access_token":"a","expires_in":" 3600.0 "}', hour],
  ['R8 P34 null', '{"access_token":"a","expires_in":null}', tokens('a')],
  ['R8 P34 empty', '{"access_token":"a","expires_in":""}', tokens('a')],
  ['R8 P34 a word', '{"access_token":"a","expires_in":"never"}', tokens('a')],
  ['R13 negative', '{"access_token":"a","token_type":"Bearer","expires_in":-60}', tokens('a', { in: -60 })],
  [
    'an instant in seconds',
    '{"access_token":"a","expires_in":1772370000}',
    hour,
    { note: 'as a lifetime 56 years, as an instant an hour' },
  ],
  ['an instant in milliseconds', '{"access_token":"a","expires_in":1772370000000}', hour],
  ['milliseconds by name', '{"access_token":"a","expires_in_ms":3600000}', hour],
  ['a date', '{"access_token":"a","expires_in":"2026-03-01T13:00:00Z"}', hour],
  ['expires_at with an offset', '{"access_token":"a","expires_at":"2026-03-01T14:00:00+01:00"}', hour],
  ['expires_at without a zone', '{"access_token":"a","expires_at":"2026-03-01 13:00:00"}', hour],
  ['expires_at in words of HTTP', '{"access_token":"a","expires_at":"Sun, 01 Mar 2026 13:00:00 GMT"}', hour],
  [
    'expiry_date in milliseconds (a client library of Google)',
    '{"access_token":"a","expiry_date":1772370000000}',
    hour,
  ],
  [
    'milliseconds, by the row',
    '{"access_token":"a","expires_in":3600000}',
    hour,
    { row: { expiresInUnit: 'milliseconds' } },
  ],

  // Scopes
  [
    'R8 scope with commas',
    '{"access_token":"a","scope":"read,write"}',
    tokens('a', { scopes: ['read', 'write'] }),
  ],
  [
    'R8 scope with commas and spaces',
    '{"access_token":"a","scope":"read, write"}',
    tokens('a', { scopes: ['read', 'write'] }),
  ],
  [
    'R8 scope as a list',
    '{"access_token":"a","scope":["read","write"]}',
    tokens('a', { scopes: ['read', 'write'] }),
  ],
  ['R8 scope null', '{"access_token":"a","scope":null}', tokens('a')],
  [
    'scope percent-encoded once too often',
    '{"access_token":"a","scope":"read%20write"}',
    tokens('a', { scopes: ['read', 'write'] }),
  ],
  [
    'scope with semicolons',
    '{"access_token":"a","scope":"read;write"}',
    tokens('a', { scopes: ['read', 'write'] }),
  ],
  [
    'scope as a PHP list in a form',
    'access_token=a&scope[]=read&scope[]=write',
    tokens('a', { scopes: ['read', 'write'] }),
  ],

  // Errors that are none
  ...[
    '"error":null',
    '"error":""',
    '"error":false',
    '"error":0',
    '"error":{}',
    '"errors":[]',
    '"errors":null',
  ].map((member): Case => [`${member} beside a good token`, good.replace('{', `{${member},`), hour]),
  ...['"error":{"code":"ok","message":""}', '"error":{"code":0,"message":null}', '"error":"success"'].map(
    (member): Case => [`${member} beside a good token`, good.replace('{', `{${member},`), hour],
  ),
  ...[
    '"errcode":0',
    '"error_code":"0"',
    '"status":200',
    '"success":true',
    '"ok":"true"',
    '"code":"0000"',
  ].map((member): Case => [`${member} beside a good token`, good.replace('{', `{${member},`), hour]),

  // Failures
  ...[
    '"ok":false',
    '"success":"false"',
    '"status":"error"',
    '"error":true',
    '"errors":["nope"]',
    '"errcode":40029',
  ].map(
    (member): Case => [
      `${member} beside a token`,
      good.replace('{', `{${member},`),
      refused(200, /nope|40029/.exec(member)?.[0] ?? 'error', undefined, 'ours'),
    ],
  ),
  ['502 of a gateway', '<html><body><h1>502 Bad Gateway</h1></body></html>', junk(502), type('text/html')],
  [
    '503 with Retry-After',
    '<html>down</html>',
    junk(503, 'response_not_oauth', 60),
    { headers: { 'retry-after': '60' } },
  ],
  ['404 of another server', '<!doctype html><title>Not Found</title>', junk(404), type('text/html')],
  ['403 of a firewall', '<html><title>Attention Required!</title></html>', junk(403), type('text/html')],
  ['401 without a word', '', junk(401)],
  [
    '401 with a challenge',
    '',
    refused(401, 'invalid_grant', 'Token expired', 'dead'),
    {
      ...renewal,
      headers: {
        'www-authenticate': 'Bearer realm="x", error="invalid_grant", error_description="Token expired"',
      },
    },
  ],
  [
    '400 in plain words',
    'invalid_grant',
    refused(400, 'invalid_grant', undefined, 'dead'),
    { ...renewal, ...type('text/plain') },
  ],
  ['401 in plain words', 'Unauthorized', refused(401, 'error', 'Unauthorized', 'ours'), type('text/plain')],
  [
    '429 in plain words',
    'Too Many Requests',
    refused(429, 'error', 'Too Many Requests', 'later', 7),
    { headers: { 'retry-after': '7' } },
  ],
  [
    '429 with milliseconds',
    '{"error":"throttled"}',
    refused(429, 'throttled', undefined, 'later', 2),
    { headers: { 'retry-after-ms': '1500' } },
  ],
  ['500 in plain words', 'Internal Server Error', junk(500), type('text/plain')],
  ['504 of a proxy', 'upstream request timeout', junk(504), type('text/plain')],
  ['JSON with 500 and no error', '{"timestamp":"2026-03-01","path":"/token"}', junk(500)],
  [
    'JSON of Spring',
    '{"timestamp":"2026-03-01T12:00:00Z","status":404,"error":"Not Found","path":"/oauth/tokn"}',
    refused(404, 'Not Found', undefined, 'ours'),
  ],
  [
    'a message of trouble around a token',
    '{"code":40001,"message":"not signed in","data":{"access_token":"b"}}',
    refused(200, '40001', 'not signed in', 'ours'),
  ],
  ['a code of success that begins elsewhere', `{"code":10000,"msg":"Success","data":${good}}`, hour],
  [
    'the zero of dates in Go',
    '{"access_token":"a","token_type":"Bearer","expiry":"0001-01-01T00:00:00Z"}',
    tokens('a'),
  ],
  ['a number of days is not read', '{"access_token":"a","expires_in_days":30}', tokens('a')],
  [
    'an error of GraphQL',
    '{"data":null,"errors":[{"message":"Not signed in","extensions":{"code":"UNAUTHENTICATED"}}]}',
    refused(200, 'UNAUTHENTICATED', 'Not signed in', 'ours'),
  ],
  [
    'an error in the head, a token in the body',
    `{"meta":{"code":400,"error_type":"OAuthException"},"data":${good}}`,
    refused(200, 'OAuthException', undefined, 'ours'),
  ],
  [
    'all well in the head',
    `{"meta":{"code":200},"status":{"error":false,"type":"success"},"data":${good}}`,
    hour,
  ],
  ['a null character behind it', `${good}\0`, hour],
  [
    'a token with its scheme before it',
    '{"access_token":"Bearer a","token_type":"Bearer","expires_in":3600}',
    hour,
    { note: 'the scheme is never part of a token: it has a space' },
  ],
  [
    'a JSON text that is an error',
    '"invalid_grant"',
    refused(400, 'invalid_grant', undefined, 'dead'),
    renewal,
  ],
  [
    'a status that is an error',
    '{"status":"invalid_grant"}',
    refused(400, 'invalid_grant', undefined, 'dead'),
    renewal,
  ],
]
