// From a plain definition to a provider that the rest of the house can trust: checked, copied, frozen.
import { ConfigurationError, quote } from '../errors.ts'
import { MEMBERS } from './member-checks.ts'
import { nearestNames } from './nearest-name.ts'
import type { Provider, ProviderDefinition } from './provider.ts'
import { templateProblems } from './url-variables.ts'

/**
 * Makes a provider from data: both endpoints, or an `issuer` from which they are discovered at first use.
 * The result is a deeply frozen copy. Nothing is fetched.
 *
 * ```ts
 * const acme = defineProvider({
 *   id: 'acme',
 *   authorizationUrl: 'https://acme.example/oauth/authorize',
 *   tokenUrl: 'https://acme.example/oauth/token',
 * })
 * ```
 *
 * @throws {ConfigurationError} `provider_invalid`, naming every member that is missing, unknown or wrong, with an example.
 */
export function defineProvider(definition: ProviderDefinition): Provider {
  return checkedCopy(definition)
}

/**
 * A provider like another one, with some members changed. `undefined` removes a member.
 *
 * ```ts
 * const slack = extendProvider(await provider('slack'), { defaultScopes: ['chat:write'] })
 * ```
 *
 * @throws {ConfigurationError} `provider_invalid`, as {@link defineProvider}.
 */
export function extendProvider(
  base: Provider,
  changes: { readonly [Member in keyof Provider]?: Provider[Member] | undefined },
): Provider {
  return checkedCopy({ ...base, ...changes })
}

function checkedCopy(definition: unknown): Provider {
  if (typeof definition !== 'object' || definition === null || Array.isArray(definition))
    throw new ConfigurationError(
      'provider_invalid',
      'A provider definition must be an object. See docs/providers.md.',
    )
  const members = Object.fromEntries(Object.entries(definition).filter(([, value]) => value !== undefined))
  const problems = providerProblems(members)
  if (problems.length > 0)
    throw new ConfigurationError('provider_invalid', invalidMessage(members.id, problems))
  return frozenCopy(members) as Provider
}

function providerProblems(members: Record<string, unknown>): string[] {
  const problems = missingMembers(members)
  for (const [member, value] of Object.entries(members)) {
    const problem = isMember(member) ? MEMBERS[member](value) : unknownMember(member)
    if (problem !== undefined)
      problems.push(problem.startsWith('[') ? `${member}${problem}` : `${member} ${problem}`)
  }
  return problems.length > 0 ? problems : templateProblems(members as unknown as Provider)
}

function missingMembers(members: Record<string, unknown>): string[] {
  const example = { id: 'acme', authorizationUrl: '…/oauth/authorize', tokenUrl: '…/oauth/token' }
  return neededMembers(members)
    .filter((member) => members[member] === undefined)
    .map((member) => {
      const suchAs = JSON.stringify(example[member].replace('…', 'https://acme.example'))
      return `${member} is missing: add it, such as ${suchAs}${member === 'id' ? '' : ', or give the issuer'}`
    })
}

/** Nobody is sent anywhere for client credentials and session tokens. */
function neededMembers({ issuer, refresh }: Record<string, unknown>) {
  if (issuer !== undefined) return ['id'] as const
  const isAlone = refresh === 'client-credentials' || refresh === 'session'
  return isAlone ? (['id', 'tokenUrl'] as const) : (['id', 'authorizationUrl', 'tokenUrl'] as const)
}

function isMember(member: string): member is keyof Provider {
  return Object.hasOwn(MEMBERS, member)
}

function unknownMember(member: string): string {
  const [nearest] = nearestNames(member.replaceAll('_', ''), Object.keys(MEMBERS))
  const hint = nearest === undefined ? 'docs/providers.md lists the members' : `did you mean ${nearest}`
  return `is not a member of a provider definition; ${hint}`
}

function invalidMessage(id: unknown, problems: readonly string[]): string {
  const name = typeof id === 'string' ? ` ${quote(id, 60)}` : ''
  if (problems.length === 1) return `The provider definition${name} is not valid: ${problems[0]}.`
  return `The provider definition${name} is not valid:\n${problems.map((problem) => `- ${problem}.`).join('\n')}`
}

function frozenCopy(value: unknown): unknown {
  if (Array.isArray(value)) return Object.freeze(value.map(frozenCopy))
  if (typeof value !== 'object' || value === null) return value
  return Object.freeze(
    Object.fromEntries(Object.entries(value).map(([key, item]) => [key, frozenCopy(item)])),
  )
}
