// `[providers.acme]`: a provider of one's own, in the snake_case of the facts dataset, made into a Provider.
import { ConfigurationError } from '../errors.ts'
import { defineProvider, type Provider, type ProviderDefinition } from '../providers/index.ts'
import type { Table } from './config-file.ts'
import { invalid } from './settings.ts'

/**
 * Makes a provider from one row. `issuer` alone is enough; the endpoints are then discovered at first use.
 *
 * @throws {ConfigurationError} `config_invalid`, naming the file, the row and each wrong member as it is spelt in TOML.
 */
export function providerFromRow(id: string, row: Table, file: string): Provider {
  const members: Record<string, unknown> = {}
  for (const [key, value] of Object.entries(row)) {
    if (key === 'id') throw invalid(file, `[providers.${id}] id is the name of the table; leave the key out`)
    if (/[A-Z]/.test(key))
      throw invalid(file, `[providers.${id}] ${key} is not read; write ${snakeCase(key)}`)
    members[camelCase(key)] = value
  }
  try {
    // The cast is the point: defineProvider checks data from outside at run time.
    return defineProvider({ ...members, id } as ProviderDefinition)
  } catch (error) {
    if (!(error instanceof ConfigurationError)) throw error
    throw invalid(file, `[providers.${id}] ${membersInSnakeCase(error.message).replace(/\.$/, '')}`, {
      cause: error,
    })
  }
}

function camelCase(key: string): string {
  return key.replace(/_([a-z0-9])/g, (_, letter: string) => letter.toUpperCase())
}

function snakeCase(key: string): string {
  return key.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)
}

/** Member names in a message of defineProvider, as the reader of a TOML file knows them. Quoted values stay. */
function membersInSnakeCase(message: string): string {
  return message.replace(/"[^"]*"|\b[a-z]+(?:[A-Z][a-z0-9]*)+\b/g, (word) =>
    word[0] === '"' ? word : snakeCase(word),
  )
}
