// Finds rows of the catalogue. The catalogue itself is loaded at the first call, not when this file is imported.
import { ConfigurationError, quote } from '../errors.ts'
import { defineProvider } from './definition.ts'
import { nearestNames } from './nearest-name.ts'
import type { Provider } from './provider.ts'
import type { ProviderId } from './provider-id.ts'

/** Checked and frozen rows by id and alias, filled as they are asked for. */
const found = new Map<string, Provider>()

/**
 * A provider of the catalogue, by id or former name (`twitter` is `x`). Always the same frozen object.
 * The first call loads the catalogue.
 *
 * @throws {ConfigurationError} `provider_unknown`, naming the nearest ids.
 */
export async function provider(id: ProviderId | (string & {})): Promise<Provider> {
  return found.get(id) ?? row(await import('./catalog.ts'), id)
}

/** Every provider of the catalogue, by id. Checks each row, so prefer {@link provider} for one. */
export async function providers(): Promise<readonly Provider[]> {
  const catalog = await import('./catalog.ts')
  return Object.keys(catalog.CATALOG).map((id) => row(catalog, id))
}

type Catalog = typeof import('./catalog.ts')

function row({ CATALOG, ALIASES }: Catalog, wanted: string): Provider {
  const id = Object.hasOwn(ALIASES, wanted) ? (ALIASES[wanted] ?? wanted) : wanted
  const known = found.get(id)
  if (known !== undefined) return remember(wanted, known)
  if (!isRow(CATALOG, id)) throw unknown(wanted, [...Object.keys(CATALOG), ...Object.keys(ALIASES)])
  return remember(wanted, remember(id, defineProvider({ id, ...CATALOG[id] })))
}

function isRow(catalog: Catalog['CATALOG'], id: string): id is ProviderId {
  return Object.hasOwn(catalog, id)
}

function remember(id: string, provider: Provider): Provider {
  found.set(id, provider)
  return provider
}

function unknown(id: string, ids: readonly string[]): ConfigurationError {
  const nearest = nearestNames(String(id), ids).map((name) => JSON.stringify(name))
  const hint = nearest.length === 0 ? 'List them with providers().' : `Did you mean ${nearest.join(' or ')}?`
  return new ConfigurationError(
    'provider_unknown',
    `The catalogue has no provider ${quote(String(id), 60)}. ${hint} Define your own with defineProvider().`,
  )
}
