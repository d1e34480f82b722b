// Templates in a provider's URLs: `https://{tenant}.acme.example`. Which are declared, which values are allowed,
// and a filled URL that cannot lead to another host than the template meant.
import { ConfigurationError, quote } from '../errors.ts'
import { hostKind, isPrivateName } from './host.ts'
import { FLOW_PLACEHOLDERS, originProblem, placeholders, URL_MEMBERS, withStandIns } from './member-checks.ts'
import { nearestNames } from './nearest-name.ts'
import type { Provider, UrlVariable } from './provider.ts'

/** What a value may be when its variable has no pattern of its own: one host label. */
const ONE_LABEL = '[A-Za-z0-9-]{1,63}'
const RECORDS = [
  'authorizationParams',
  'tokenParams',
  'refreshParams',
  'apiHeaders',
  'tokenRequestHeaders',
] as const

type Values = ReadonlyMap<string, string>

/**
 * Fills the `{variables}` of a provider: in its URLs, API hosts, fixed parameters and headers, from `variables`
 * and else from each variable's default. A provider without variables comes back as it is. Variables that only a
 * callback, token answer or later request can supply stay in place until they are given.
 *
 * Each value must match its variable's `enum` and `pattern` (default: one host label), and the filled URL must still
 * lead to a host that the template allows: never to this machine or into a private network.
 *
 * @throws {ConfigurationError} `provider_invalid` when a value is missing, not allowed, or named wrongly.
 */
export function resolveVariables(provider: Provider, variables?: Readonly<Record<string, string>>): Provider {
  const declared = provider.urlVariables ?? []
  refuseUndeclared(provider, declared, variables)
  if (declared.length === 0) return provider
  const values = valuesOf(provider, declared, variables ?? {})
  const filled: Record<string, unknown> = { ...provider }
  for (const member of URL_MEMBERS) {
    const template = provider[member]
    if (template !== undefined) filled[member] = filledUrl(provider, member, template, values)
  }
  for (const member of RECORDS) {
    const entries = provider[member]
    if (entries !== undefined) filled[member] = filledRecord(entries, values)
  }
  if (provider.apiHosts !== undefined)
    filled.apiHosts = Object.freeze(provider.apiHosts.map((host) => filledHost(provider, host, values)))
  return Object.freeze(filled) as unknown as Provider
}

/** What is wrong with the templates of an otherwise checked definition. */
export function templateProblems(provider: Provider): string[] {
  const declared = new Map(provider.urlVariables?.map((variable) => [variable.name, variable]))
  const problems: string[] = []
  for (const [member, text] of templatedTexts(provider)) {
    for (const name of placeholders(text)) {
      if (declared.has(name) || FLOW_PLACEHOLDERS.has(name)) continue
      problems.push(
        `${member} uses {${name}}, which urlVariables does not declare: add { name: "${name}", from: "user" }`,
      )
    }
    const leading = /^\{([^{}]*)\}/.exec(text)?.[1]
    if (leading !== undefined && declared.get(leading)?.pattern === undefined)
      problems.push(
        `${member} begins with {${leading}}, so urlVariables must give it a pattern, such as "https://[a-z-]+\\\\.acme\\\\.example"`,
      )
  }
  for (const variable of declared.values()) problems.push(...variableProblems(variable))
  return problems
}

function* templatedTexts(provider: Provider): Iterable<[member: string, text: string]> {
  for (const member of URL_MEMBERS) if (provider[member] !== undefined) yield [member, provider[member]]
  for (const host of provider.apiHosts ?? []) if (!host.startsWith('{')) yield ['apiHosts', host]
}

function variableProblems(variable: UrlVariable): string[] {
  const fixed = variable.default === undefined ? [] : [variable.default]
  return [...fixed, ...(variable.enum ?? [])]
    .filter((value) => valueProblem(variable, value) !== undefined)
    .map((value) => `urlVariables: ${quote(value, 60)} is not an allowed value of {${variable.name}}`)
}

function refuseUndeclared(
  provider: Provider,
  declared: readonly UrlVariable[],
  variables: Readonly<Record<string, string>> | undefined,
): void {
  const names = declared.map(({ name }) => name)
  for (const name of Object.keys(variables ?? {})) {
    if (names.includes(name)) continue
    const hint = nearestNames(name, names)[0] ?? (names.length > 0 ? names.join(', ') : undefined)
    const rest = hint === undefined ? 'It has none: remove it.' : `Did you mean ${hint}?`
    throw invalid(provider, `has no variable ${quote(name, 60)}. ${rest}`)
  }
}

function valuesOf(
  provider: Provider,
  declared: readonly UrlVariable[],
  variables: Readonly<Record<string, string>>,
): Values {
  const values = new Map<string, string>()
  for (const variable of declared) {
    const value = variables[variable.name] ?? variable.default
    if (value !== undefined) {
      const problem = valueProblem(variable, value)
      if (problem !== undefined)
        throw invalid(provider, `cannot use the value given for {${variable.name}}: ${problem}`)
      values.set(variable.name, value)
    } else if (variable.from === 'user' && isUsed(provider, variable.name)) {
      const example = variable.example ?? variable.enum?.[0] ?? 'acme'
      throw invalid(
        provider,
        `needs a value for {${variable.name}}: set variables: { ${variable.name}: ${JSON.stringify(example)} } on the client`,
      )
    }
  }
  return values
}

function isUsed(provider: Provider, name: string): boolean {
  const placeholder = `{${name}}`
  const inUrl = URL_MEMBERS.some((member) => provider[member]?.includes(placeholder))
  return (
    inUrl ||
    RECORDS.some((member) => Object.values(provider[member] ?? {}).some((text) => text.includes(placeholder)))
  )
}

/** Why a value is refused. The rules: the variable's own, and only characters that cannot end a part of a URL. */
function valueProblem(variable: UrlVariable, value: unknown): string | undefined {
  if (typeof value !== 'string') return 'it must be a string'
  if (variable.enum !== undefined && !variable.enum.includes(value))
    return `it must be one of ${variable.enum.map((one) => JSON.stringify(one)).join(', ')}`
  const pattern = variable.pattern ?? (variable.enum === undefined ? ONE_LABEL : '.+')
  if (!new RegExp(`^(?:${pattern})$`, 'u').test(value)) return `it must match ${pattern}`
  if (value === '.' || value === '..') return 'it must not be a path step'
  if (/^https?:\/\//.test(value)) return baseProblem(value)
  return /^[A-Za-z0-9._~:-]+$/.test(value) ? undefined : 'it must hold only letters, digits and . _ ~ : -'
}

/** Why a value that stands for the beginning of a URL is refused. */
function baseProblem(value: string): string | undefined {
  if (!URL.canParse(value) || /[?#\\@\s]/.test(value))
    return 'it must be a URL without user, query and fragment'
  return /\/\.{1,2}(\/|$)|%/.test(value) ? 'it must not hold path steps or percent signs' : undefined
}

function filledRecord(
  entries: Readonly<Record<string, string>>,
  values: Values,
): Readonly<Record<string, string>> {
  return Object.freeze(
    Object.fromEntries(Object.entries(entries).map(([key, text]) => [key, fill(text, values)])),
  )
}

function filledHost(provider: Provider, template: string, values: Values): string {
  const host = fill(
    template.replace(/^\{[^{}]*\}$/, (whole) => hostOf(fill(whole, values))),
    values,
  )
  if (!template.includes('{') || host.includes('{')) return host
  refuseInnerHost(provider, 'apiHosts', host.replace(/^\*\./, '').replace(/:\d+$/, ''))
  return host
}

function hostOf(value: string): string {
  return URL.canParse(value) ? new URL(value).host : value
}

function filledUrl(provider: Provider, member: string, template: string, values: Values): string {
  const text = fill(template, values)
  if (text === template) return text
  const standIn = withStandIns(text)
  const parsed = URL.canParse(standIn) ? new URL(standIn) : undefined
  const [before = '', after = ''] = hostEdges(template)
  const fenced = parsed?.host.startsWith(before) && parsed.host.endsWith(after)
  if (parsed === undefined || !fenced)
    throw invalid(provider, `cannot use the values given: ${member} would not be a URL of the provider`)
  const problem = originProblem(parsed)
  if (problem !== undefined) throw invalid(provider, `cannot use the values given: ${member} ${problem}`)
  if (/^(https?:\/\/)?[^/?#:]*\{/.test(template)) refuseInnerHost(provider, member, parsed.hostname)
  return text
}

/** The fixed text of a template's host before its first and after its last variable. */
function hostEdges(template: string): string[] {
  const host = /^https?:\/\/([^/?#]*)/.exec(template)?.[1]?.toLowerCase()
  if (host === undefined) return []
  if (!host.includes('{')) return [host, host]
  return [host.slice(0, host.indexOf('{')), host.slice(host.lastIndexOf('}') + 1)]
}

/** A host that somebody typed must not lead to this machine or into its network (server-side request forgery). */
function refuseInnerHost(provider: Provider, member: string, hostname: string): void {
  if (hostKind(hostname) === 'public' && !isPrivateName(hostname)) return
  throw invalid(
    provider,
    `cannot use the values given: ${member} would lead to ${quote(hostname)}, which is not public`,
  )
}

function fill(template: string, values: Values): string {
  return template.replace(/\{([^{}]*)\}/g, (placeholder, name: string) => values.get(name) ?? placeholder)
}

function invalid(provider: Provider, problem: string): ConfigurationError {
  return new ConfigurationError(
    'provider_invalid',
    `The provider ${quote(provider.id)} ${problem}.`.replace(/\?\.$/, '?'),
  )
}
