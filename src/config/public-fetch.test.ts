import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type ScriptedServer, startScriptedServer } from '../../test/servers/scripted-http.ts'
import { NetworkError, RequestRefusedError } from '../errors.ts'
import { discover, discoverProtectedResource } from '../oauth/index.ts'
import { publicFetch } from './public-fetch.ts'

let server: ScriptedServer
let port: string

beforeAll(async () => {
  server = await startScriptedServer(() => ({ body: { ok: true } }))
  port = new URL(server.origin).port
})

afterAll(() => server.close())

/** A resolver that knows what it is told, and counts. */
function names(...answers: (string | readonly string[])[]) {
  let asked = 0
  const lookup = async () => {
    asked += 1
    return [answers[Math.min(asked, answers.length) - 1] ?? []].flat()
  }
  return { lookup, asked: () => asked }
}

const refused = { name: 'RequestRefusedError', code: 'host_not_allowed' }

describe('a fetch that reaches the public internet alone', () => {
  it.each([
    ['this machine', '127.0.0.1'],
    ['this machine, IPv6', '::1'],
    ['this machine, mapped', '::ffff:127.0.0.1'],
    ['a private network', '10.0.0.7'],
    ['the metadata service of a cloud', '169.254.169.254'],
    ['a link with a zone', 'fe80::1%eth0'],
    ['an address inside another', '64:ff9b::a00:7'],
    ['nothing', '0.0.0.0'],
  ])('sends nothing to a public name of %s', async (_, address) => {
    const { lookup } = names(address)
    const before = server.requests.length
    await expect(publicFetch({ lookup })(`http://rebind.example:${port}/`)).rejects.toMatchObject(refused)
    expect(server.requests).toHaveLength(before)
  })

  it('nor to a name with one such address among good ones, nor to one that changes', async () => {
    const mixed = names(['203.0.114.1', '10.0.0.7'])
    const send = publicFetch({ lookup: mixed.lookup })
    await expect(send('https://rebind.example/')).rejects.toMatchObject(refused)
    // What was checked is what is connected to: the second look-up would have been another one.
    const changing = names('127.0.0.1', '203.0.114.1')
    const once = publicFetch({ lookup: changing.lookup })
    await expect(once(`http://rebind.example:${port}/`)).rejects.toMatchObject(refused)
    expect(changing.asked()).toBe(1)
  })

  it.each([
    '127.0.0.1',
    '[::1]',
    '2130706433',
    '0x7f.1',
    '017700000001',
    'localhost',
    '10.1',
    '[::ffff:10.0.0.1]',
  ])('nor to the address %s, which is not looked up', async (host) => {
    const { lookup } = names('203.0.114.1')
    await expect(publicFetch({ lookup })(`http://${host}:${port}/`)).rejects.toBeInstanceOf(
      RequestRefusedError,
    )
  })

  it('nor where a redirect leads', async () => {
    const { lookup } = names('127.0.0.1')
    server.answer = ({ url }) =>
      url === '/' ? { status: 302, headers: { location: `http://127.0.0.1:${port}/secret` } } : { body: 'x' }
    const send = publicFetch({ lookup, except: ['mine.example'] })
    await expect(send(`http://mine.example:${port}/`)).rejects.toMatchObject(refused)
    expect(server.requests.map(({ url }) => url)).not.toContain('/secret')
    server.answer = () => ({ body: { ok: true } })
  })

  it('goes where it may: to what is named, and to what resolves well', async () => {
    const { lookup } = names('127.0.0.1')
    const send = publicFetch({ lookup, except: ['127.0.0.1', 'mine.example'] })
    for (const host of ['127.0.0.1', 'mine.example']) {
      const response = await send(new Request(`http://${host}:${port}/hi`, { method: 'POST', body: 'x' }))
      expect(await response.json()).toEqual({ ok: true })
    }
    expect(server.requests.at(-1)).toMatchObject({ method: 'POST', url: '/hi' })
  })

  it('says so through the functions that it is passed to', async () => {
    const { lookup } = names('10.0.0.7')
    const options = { fetch: publicFetch({ lookup }) }
    for (const ask of [discover, discoverProtectedResource])
      await expect(ask('https://issuer.example', options)).rejects.toMatchObject({
        code: 'discovery_failed',
        message: expect.stringMatching(/not on the public internet/),
      })
    const nowhere = () => Promise.reject(Object.assign(new Error('no'), { code: 'ENOTFOUND' }))
    const lost = discover('https://issuer.example', { fetch: publicFetch({ lookup: nowhere }) })
    await expect(lost).rejects.toBeInstanceOf(NetworkError)
  })
})
