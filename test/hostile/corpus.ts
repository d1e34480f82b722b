// Answers that nobody should send and somebody will: for every operation alike.
// Grown from what broke parsers elsewhere: nesting, sizes, prototype names, encodings, pages, numbers, half of things.

/** One answer. */
export interface HostileAnswer {
  name: string
  status?: number
  headers?: Readonly<Record<string, string>>
  body: string | Uint8Array
}

const json = { 'content-type': 'application/json' }
const form = { 'content-type': 'application/x-www-form-urlencoded' }
/** Long enough for anything that is worse than linear to take seconds. The limit itself is tested elsewhere. */
const large = 150_000
const fill = (text: string, bytes = large) => text.repeat(Math.floor(bytes / text.length))
const token = '"access_token":"canary-answer-token","token_type":"Bearer"'

/** Bodies, by what is wrong with them. `SENT` stands for what was sent. */
const bodies: Readonly<Record<string, string | Uint8Array>> = {
  nothing: '',
  'white space': ' \n\t ',
  null: 'null',
  true: 'true',
  'a number': '1e400',
  'an empty list': '[]',
  'an empty object': '{}',
  'a list of tokens': `[{${token}}]`,
  'text in JSON': '"canary-answer-token"',
  'a byte order mark alone': '\ufeff',
  'half of JSON': `{${token},"expires_in":36`,
  'JSON twice': `{${token}}{${token}}`,
  'nested lists, open': fill('['),
  'nested lists, closed': '['.repeat(60_000) + ']'.repeat(60_000),
  'nested objects, open': fill('{"data":'),
  'nested objects, closed': `${'{"data":'.repeat(20_000)}1${'}'.repeat(20_000)}`,
  'nested objects around a token': `${'{"data":'.repeat(20_000)}{${token}}${'}'.repeat(20_000)}`,
  'nested values beside a token': `{${token},"x":${'['.repeat(60_000)}${']'.repeat(60_000)}}`,
  'a list without end': `[${fill('1,')}1]`,
  'members without end': `{${Array.from({ length: 10_000 }, (_, index) => `"m${index}":1`).join()}}`,
  'a list as token': `{"access_token":[${fill('"a",')}"a"]}`,
  'a list as scope': `{${token},"scope":[${fill('"a",')}"a"]}`,
  'scopes without end': `{${token},"scope":"${fill('a ')}"}`,
  'a token without end': `{"access_token":"canary-answer-${fill('a')}"}`,
  'an error without end': `{"error":"${fill('e')}","error_description":"d"}`,
  'a description without end': `{"error":"invalid_grant","error_description":"${fill('d', large)}"}`,
  'a description of quotes': `{"error":"invalid_grant","error_description":"${fill('\\"', large)}"}`,
  'own prototype': `{"__proto__":{${token}},"constructor":{"prototype":{"access_token":"canary-answer-p"}}}`,
  'prototype names as members': '{"toString":1,"valueOf":1,"hasOwnProperty":1,"__defineGetter__":1}',
  'an error that is a prototype name': '{"error":"__proto__","error_description":"constructor"}',
  'an error that is an object': '{"error":{"__proto__":null,"toString":"x","message":{"a":1}}}',
  'an error that is a list': '{"error":[[["x"]]],"errors":[null,1,{"message":null}]}',
  'a control sequence': '{"error":"\\u001b[2J\\u202ex","error_description":"\\u0000\\r\\nSet-Cookie: a=b"}',
  'half a character': '{"error":"\\ud800","error_description":"\\udfff"}',
  'the request, quoted': '{"error":"invalid_request","error_description":"you sent SENT"}',
  'a token in an error': `{"error":"canary-answer-token",${token}}`,
  'ends that are no time': `{${token},"expires_in":1e400,"expires_at":"never","expires":-1e308}`,
  'an end as a list': `{${token},"expires_in":[[[3600]]]}`,
  'digits without end': `{${token},"expires_in":${fill('9')}}`,
  'numbers for tokens': '{"access_token":1,"refresh_token":2,"id_token":3,"token_type":4,"scope":5}',
  'null for tokens': '{"access_token":null,"refresh_token":null,"id_token":null,"token_type":null}',
  'line breaks in a token': '{"access_token":"canary-answer\\r\\nx: y","token_type":"Bearer"}',
  'an id_token that is none': `{${token},"id_token":"canary-answer.id.token"}`,
  'an id_token of dots': `{${token},"id_token":"${fill('.')}"}`,
  'an id_token without end': `{${token},"id_token":"${fill('a')}.b.c"}`,
  'a page': '<!doctype html><title>Sign in</title><script>alert(1)</script>',
  'a page that quotes the request': '<p>You sent SENT, and that is wrong</p>',
  'tags without end': fill('<'),
  'tags that never close': fill('<a '),
  'comments that never close': fill('<!--'),
  'spaces without end': fill(' '),
  'spaces and a letter': `${fill(' ')}x`,
  'ampersands without end': fill('&'),
  'equal signs without end': fill('='),
  'percent signs without end': fill('%'),
  'quotes without end': fill('"'),
  'backslashes without end': fill('\\'),
  'a form without end': fill('a=b&'),
  'a form of brackets': fill('a[__proto__][x]=1&'),
  'entities in entities': `<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "${fill('b', 5000)}">${Array.from({ length: 30 }, (_, index) => `<!ENTITY a${index} "${'&a;'.repeat(30)}">`).join('')}]><OAuth><access_token>&a29;</access_token></OAuth>`,
  'a file as entity':
    '<!DOCTYPE x [<!ENTITY f SYSTEM "file:///etc/passwd">]><OAuth><access_token>&f;</access_token></OAuth>',
  'elements in elements': `${'<a>'.repeat(20_000)}canary-answer${'</a>'.repeat(20_000)}`,
  'a callback': `callback(${'('.repeat(1000)}{${token}}`,
  'a guard': `)]}',\n${fill(")]}',\n")}`,
  'bytes that are no text': new Uint8Array(4096).fill(0xff),
  zeroes: new Uint8Array(4096),
}

/** Statuses and headers that go with anything. */
const manners: readonly Omit<HostileAnswer, 'body'>[] = [
  { name: '200 JSON', status: 200, headers: json },
  { name: '200 form', status: 200, headers: form },
  { name: '200 nothing said', status: 200, headers: { 'content-type': '' } },
  { name: '400', status: 400, headers: json },
  {
    name: '401 with challenges',
    status: 401,
    headers: {
      'www-authenticate': `${'Bearer , '.repeat(900)}DPoP error="use_dpop_nonce"`,
      'dpop-nonce': 'nonce-1',
    },
  },
  {
    name: '503 with a Retry-After of digits',
    status: 503,
    headers: { 'retry-after': '9'.repeat(400), 'content-type': 'text/html' },
  },
]

/** Every body once with each manner it is likely in; the large ones only as JSON and as an error. */
export const corpus: readonly HostileAnswer[] = Object.entries(bodies).flatMap(([name, body]) =>
  manners
    .filter((_, index) => body.length < 10_000 || index === 0 || index === 3)
    .map((manner) => ({ ...manner, name: `${name} (${manner.name})`, body })),
)

/** The small ones as JSON, and one large one: for operations that read what others read. */
export const shortCorpus: readonly HostileAnswer[] = corpus.filter(
  ({ name, body }) =>
    name === 'nested objects around a token (200 JSON)' ||
    (body.length < 10_000 && /200 JSON|401/.test(name)),
)

/** Answers that are a status and headers alone. */
export const bareAnswers: readonly HostileAnswer[] = [
  { name: '204', status: 204, body: '' },
  { name: '302 to a file', status: 302, headers: { location: 'file:///etc/passwd' }, body: '' },
  { name: '307 to a private host', status: 307, headers: { location: 'http://169.254.169.254/' }, body: '' },
  { name: '308 to itself', status: 308, headers: { location: '/' }, body: '' },
  { name: '300', status: 300, headers: { location: 'https://elsewhere.example/' }, body: '{}' },
  { name: '418', status: 418, body: 'teapot' },
  { name: '599', status: 599, body: '' },
]

/** A `fetch` that gives one answer to everything, and remembers whom it was asked. */
export function answering(answer: Omit<HostileAnswer, 'name'>): typeof fetch & { urls: string[] } {
  const urls: string[] = []
  const send = async (input: string | URL | Request, init?: RequestInit) => {
    urls.push(input instanceof Request ? input.url : String(input))
    const { status = 200, headers = {}, body } = answer
    const whole = typeof body === 'string' && body.length < 200 ? body.replace('SENT', sent(init)) : body
    return new Response(status === 204 ? null : (whole as string), { status, headers })
  }
  return Object.assign(send as typeof fetch, { urls })
}

/** Credentials and values of a request, as text in JSON. */
function sent({ headers, body }: RequestInit = {}): string {
  const credentials = new Headers(headers).get('authorization')?.replace(/^\w+ /, '') ?? 'nothing'
  const form = [...new URLSearchParams(typeof body === 'string' ? body : '').values()]
  return JSON.stringify([credentials, ...form].join(' and ')).slice(1, -1)
}
