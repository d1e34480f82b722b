// A `fetch` that reaches the internet and nothing nearer, whatever names resolve to (DNS rebinding).
// RFC 9728 section 7.7 (server-side request forgery). Over undici, which is loaded at the first request.
import { lookup as systemLookup } from 'node:dns/promises'
import { isIP } from 'node:net'
import type * as undici from 'undici'
import { quote, RequestRefusedError } from '../errors.ts'
import { hostKind } from '../providers/index.ts'
import { plainRequest } from './certificate-fetch.ts'

/** Options of {@link publicFetch}. */
export interface PublicFetchOptions {
  /** Hosts that are reached all the same, by exactly this name or address: an issuer of your own network. */
  except?: readonly string[] | undefined
  /** Replaces the resolver of the system: every address of a name. What it throws is a failed connection. */
  lookup?: ((hostname: string) => Promise<readonly string[]>) | undefined
}

/**
 * A `fetch` for servers that let others choose an issuer, a resource or a client-id document: it connects to public
 * addresses only. Every address that a name resolves to is checked, and the connection goes to one that was checked, so
 * that a name cannot change its meaning in between. Holds for redirects, too. Pass it as `fetch` or `client.fetch`.
 *
 * What is connected to through a proxy is the proxy's to judge.
 *
 * Its `fetch` throws {@link RequestRefusedError} `host_not_allowed`; nothing was sent.
 */
export function publicFetch(options: PublicFetchOptions = {}): typeof fetch {
  let loaded: Promise<{ library: typeof undici; dispatcher: undici.Agent }> | undefined
  return async (input, init) => {
    loaded ??= import('undici').then((library) => ({ library, dispatcher: agent(library, options) }))
    const { library, dispatcher } = await loaded
    const { url, ...request } = await plainRequest(input, init)
    try {
      return (await library.fetch(url, {
        ...request,
        dispatcher,
      } as undici.RequestInit)) as unknown as Response
    } catch (error) {
      const cause = error instanceof Error ? error.cause : undefined
      throw cause instanceof RequestRefusedError ? cause : error
    }
  }
}

function agent(library: typeof undici, { except = [], lookup = systemAddresses }: PublicFetchOptions) {
  const open = library.buildConnector({ rejectUnauthorized: true })
  return new library.Agent({
    connect: (target, callback) => {
      addressesOf(target.hostname, lookup)
        .then((addresses) => {
          const spared = except.includes(unbracketed(target.hostname))
          const seen = [target.hostname, ...addresses]
          const near = spared ? undefined : seen.find((host) => !isPublic(host))
          if (near !== undefined) throw refused(target.hostname, near)
          openFirst(open, target, addresses, callback)
        })
        .catch((error: Error) => callback(error, null))
    },
  })
}

async function systemAddresses(hostname: string): Promise<readonly string[]> {
  return (await systemLookup(hostname, { all: true })).map(({ address }) => address)
}

/** An address is itself; a name is what the resolver says, all of it. */
async function addressesOf(
  hostname: string,
  lookup: NonNullable<PublicFetchOptions['lookup']>,
): Promise<readonly string[]> {
  const host = unbracketed(hostname)
  if (isIP(host) !== 0) return [host]
  const addresses = await lookup(host)
  if (addresses.length > 0) return addresses
  throw Object.assign(new Error('The name has no address.'), { code: 'ENOTFOUND' })
}

/** Connects to addresses that were checked, one after the other; the certificate must be the name's. */
function openFirst(
  open: undici.buildConnector.connector,
  target: undici.buildConnector.Options,
  [address, ...more]: readonly string[],
  callback: undici.buildConnector.Callback,
): void {
  const named = isIP(unbracketed(target.hostname)) === 0
  const servername = target.servername ?? (named ? target.hostname : undefined)
  const there = { ...target, hostname: address ?? '', ...(servername === undefined ? {} : { servername }) }
  open(there, (...outcome) => {
    if (outcome[0] !== null && more.length > 0) openFirst(open, target, more, callback)
    else callback(...outcome)
  })
}

function unbracketed(hostname: string): string {
  return hostname.replace(/^\[|\]$/g, '')
}

/** A name or address as a URL writes it, so that every spelling is judged alike; one with a zone is never public. */
function isPublic(written: string): boolean {
  const host = isIP(written) === 6 ? `[${written}]` : written
  return URL.canParse(`https://${host}/`) && hostKind(new URL(`https://${host}/`).hostname) === 'public'
}

function refused(hostname: string, address: string): RequestRefusedError {
  const what = hostname === address ? quote(hostname) : `${quote(hostname)} (${address})`
  return new RequestRefusedError(
    'host_not_allowed',
    `${what} is not on the public internet, and this fetch goes nowhere else. Nothing was sent. If it is yours, name it in publicFetch({ except }).`,
  )
}
