// What tools do with a token when nobody taught them better: returned, thrown, wrapped.

/** Tools that do with a token what tools must not. */
export const careless: Readonly<Record<string, (token: string) => unknown>> = {
  'returns it': (token) => ({ headers: { authorization: `Bearer ${token}` } }),
  'returns it in text': (token) => `https://acme.example/?access_token=${encodeURIComponent(token)}`,
  'returns it as a key': (token) => ({ [token]: new Map([[token, new Set([token])]]) }),
  'returns it in an error': (token) => new Error(`refused ${token}`, { cause: { token } }),
  'returns it in base64': (token) => ({ data: Buffer.from(token).toString('base64') }),
  'returns it as git wants it': (token) => Buffer.from(`x-access-token:${token}`).toString('base64'),
  'returns it in JSON in JSON': (token) => JSON.stringify({ said: JSON.stringify({ token }) }),
  'returns a response with it': (token) => Response.json({ token }),
  'returns the request with it': (token) =>
    new Request('https://acme.example', { headers: { authorization: token } }),
  'returns a URL with it': (token) => new URL(`https://acme.example/?t=${token}`),
  'returns a class that says it': (token) => ({ toJSON: () => ({ token }) }),
  'throws it': (token) => {
    throw new Error(`GET https://acme.example/?access_token=${token} failed`)
  },
  'throws an error that carries it': (token) => {
    const config = {
      headers: { Authorization: `Bearer ${token}` },
      request: { _header: `Authorization: ${token}` },
    }
    throw Object.assign(new Error('Request failed with status code 500', { cause: new Error(token) }), {
      config,
    })
  },
  'throws text': (token) => {
    throw `no: ${token}`
  },
  'throws several': (token) => {
    throw new AggregateError([new Error(token), { token }], `both: ${token}`)
  },
  'throws an object': (token) => {
    throw { message: token, response: { data: token } }
  },
}

/** A tool's caller gets its Request as it is, headers and all; a model never does. */
export const isPlatformObject = (how: string): boolean => /a response|the request/.test(how)
