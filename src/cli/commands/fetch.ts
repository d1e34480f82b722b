// `toolgrant fetch <provider> <url>`: one authorised request, bound to the provider's API hosts.

import { isUtf8 } from 'node:buffer'
import { readFile } from 'node:fs/promises'
import type { Config } from '../../config/index.ts'
import { argumentError, RequestRefusedError } from '../../errors.ts'
import { readStepUp, Session, type StepUp, type TokenSource } from '../../oauth/index.ts'
import { type Provider, resolveVariables } from '../../providers/index.ts'
import { audited, codeOf, type UsedRequest } from '../audited-use.ts'
import type { AddressOptions, CommandContext } from '../context.ts'
import { type ExitCode, exitCodeForStatus, exitCodes } from '../exit-code.ts'
import { shellWord } from '../explanation.ts'
import { printable } from '../output.ts'
import { whileSpinning } from '../spinner.ts'
import { readStandardInput } from '../standard-input.ts'

/** Options of {@link fetchUrl}. */
export interface FetchOptions extends AddressOptions {
  scopes?: readonly string[]
  request?: string
  header?: readonly string[]
  data?: string
  include?: boolean
  allowHost?: readonly string[]
}

/** Sends the request and prints the answer, whatever its status; the exit code tells that. */
export async function fetchUrl(
  context: CommandContext,
  options: FetchOptions,
  providerId = '',
  url = '',
): Promise<ExitCode | undefined> {
  const { output, signal } = context
  const request = await requestInit(options)
  const address = await context.address(providerId, options)
  const config = await context.config()
  const known = fenced(await config.provider(providerId), options.allowHost ?? [])
  const vault = await context.vaultToUse()
  const source = vault.source(address, { scopes: options.scopes })
  const provider = await withVariables(known, config, source)
  // A token that is bound to our certificate is worth nothing without it (RFC 8705 section 3).
  const client = config.hasClient(providerId) ? (await config.registration(providerId)).client : undefined
  const session = new Session(source, { provider, client, unauthorized: 'return' })
  const response = await whileSpinning(output, 'Waiting for the answer …', () =>
    audited(
      vault,
      { action: 'fetch' },
      address,
      () => session.fetch(url, { ...request, signal }),
      (answer, error) => requestMade(provider, url, request, answer, error),
    ),
  )
  if (output.json) await output.document(await responseRecord(response))
  else await printResponse(context, response, options.include === true)
  const wanted = await readStepUp(response, provider)
  const exitCode = wanted === undefined ? exitCodeForStatus(response.status) : exitCodes.authorization
  const advice = wanted === undefined ? adviceFor(response.status, providerId) : moreWanted(wanted, provider)
  if (exitCode !== 0) output.note(`${output.style('red', `HTTP ${response.status}`)} ${printable(advice)}`)
  return exitCode
}

/** For the audit log: never the path. A host that was refused is only text that somebody wrote. */
function requestMade(
  { apiBaseUrl }: Provider,
  url: string,
  { method = 'GET' }: RequestInit,
  answer: Response | undefined,
  error: unknown,
): UsedRequest {
  const asked = URL.canParse(url, apiBaseUrl) ? new URL(url, apiBaseUrl).host : '-'
  if (answer === undefined)
    return { host: error instanceof RequestRefusedError ? '-' : asked, method, error: codeOf(error) }
  const led = answer.redirected ? new URL(answer.url).host : asked
  return { host: asked, method, status: answer.status, ...(led === asked ? {} : { redirectedTo: led }) }
}

/** The provider, with the further hosts of this call. Never one without any: then every host could get the token. */
function fenced(provider: Provider, allowedHosts: readonly string[]): Provider {
  const apiHosts = [...(provider.apiHosts ?? []), ...allowedHosts]
  if (provider.apiBaseUrl !== undefined || apiHosts.length > 0) return { ...provider, apiHosts }
  throw argumentError(
    `Nothing says where the tokens of ${provider.id} may go. Name the host with --allow-host <host>, or set api_base_url in [providers.${provider.id}].`,
  )
}

/** Fills `{variables}` in the URLs: the client's, and those that only a token answer knows. */
async function withVariables(provider: Provider, config: Config, source: TokenSource): Promise<Provider> {
  if (!provider.urlVariables?.length) return provider
  const { client } = await config.registration(provider.id)
  const { extra } = await source.token()
  const variables: Record<string, string> = { ...client.variables }
  for (const { name, from } of provider.urlVariables) {
    const value = from === 'user' ? undefined : extra[name]
    if (typeof value === 'string') variables[name] = value
  }
  return resolveVariables(provider, variables)
}

async function requestInit(options: FetchOptions): Promise<RequestInit> {
  const headers = readHeaders(options.header ?? [])
  const body = options.data === undefined ? undefined : await readBody(options.data)
  if (body !== undefined && !headers.has('content-type'))
    headers.set('content-type', isJson(body) ? 'application/json' : 'application/x-www-form-urlencoded')
  const method = options.request?.toUpperCase() ?? (body === undefined ? 'GET' : 'POST')
  if (!/^[A-Z]+$/.test(method) || ['CONNECT', 'TRACE', 'TRACK'].includes(method))
    throw argumentError('-X takes one word, such as POST; not CONNECT, TRACE or TRACK, which fetch refuses.')
  if (body !== undefined && (method === 'GET' || method === 'HEAD'))
    throw argumentError(`A ${method} request has no body: leave -d out.`)
  return { method, headers, ...(body === undefined ? {} : { body }) }
}

/** Header values may be secrets: no message quotes them. */
function readHeaders(lines: readonly string[]): Headers {
  const headers = new Headers()
  for (const [index, line] of lines.entries()) {
    const [, name = '', value = ''] = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+):\s*(.*)$/.exec(line) ?? []
    if (name === '' || /[^\t\x20-\x7e\x80-\xff]/.test(value))
      throw argumentError(`-H number ${index + 1} must look like "Name: value".`)
    if (name.toLowerCase() === 'authorization')
      throw argumentError('toolgrant sets the Authorization header itself. Leave that -H out.')
    headers.append(name, value)
  }
  return headers
}

async function readBody(data: string): Promise<Uint8Array<ArrayBuffer>> {
  if (data === '@-') return readStandardInput()
  if (!data.startsWith('@')) return new TextEncoder().encode(data)
  const path = data.slice(1)
  return readFile(path).catch((error: NodeJS.ErrnoException) => {
    throw argumentError(`The file ${path} of -d cannot be read (${error.code}).`)
  })
}

function isJson(body: Uint8Array): boolean {
  try {
    const value: unknown = JSON.parse(new TextDecoder().decode(body))
    return typeof value === 'object' && value !== null
  } catch {
    return false
  }
}

async function printResponse(
  { output }: CommandContext,
  response: Response,
  include: boolean,
): Promise<void> {
  if (include) {
    const headers = [...response.headers].map(([name, value]) => `${name}: ${value}\n`).join('')
    const statusLine = `HTTP ${response.status} ${response.statusText}`.trimEnd()
    await output.write(`${statusLine}\n${headers}\n`)
  }
  let last: number | undefined
  for await (const chunk of response.body ?? []) {
    last = chunk.at(-1) ?? last
    await output.write(chunk)
  }
  await output.endLine(last)
}

async function responseRecord(response: Response): Promise<Record<string, unknown>> {
  const bytes = new Uint8Array(await response.arrayBuffer())
  const { status } = response
  const headers = Object.fromEntries(response.headers)
  if (!isUtf8(bytes)) return { status, headers, bodyBase64: Buffer.from(bytes).toString('base64') }
  const text = new TextDecoder().decode(bytes)
  try {
    return { status, headers, body: JSON.parse(text) }
  } catch {
    return { status, headers, body: text }
  }
}

/** What the API itself asked for (RFC 6750 section 3.1, RFC 9470). */
function moreWanted({ error, scopes }: StepUp, provider: Provider): string {
  if (error === 'insufficient_user_authentication')
    return `The API wants the person to sign in again, more strongly or more recently: toolgrant connect ${provider.id}`
  if (scopes.length === 0) return adviceFor(403, provider.id)
  return `The API wants further scopes: toolgrant connect ${provider.id} --scopes ${shellWord(scopes.join(' '))}`
}

function adviceFor(status: number, provider: string): string {
  if (status === 401) return `The API refuses the token. Consent again with: toolgrant connect ${provider}`
  if (status === 403) return `Perhaps a scope is missing: toolgrant connect ${provider} --scopes <list>`
  if (status === 429) return 'Too many requests: try again later.'
  return status >= 500
    ? 'The API is in trouble: try again later.'
    : 'The API refused the request; its answer says why.'
}
