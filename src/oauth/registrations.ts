// Our registrations at providers, from a plain record in code.
// RFC 6749 section 2; configuration files have a source of their own.
import { ConfigurationError } from '../errors.ts'
import { provider as lookUp, type Provider } from '../providers/index.ts'
import { type Client, hideClientSecret, type Registration, type RegistrationSource } from './client.ts'

/** A client in code, with its provider when that is not in the catalogue. */
export interface ClientEntry extends Client {
  provider?: Provider
}

/** A source over clients given in code: `{ slack: { clientId, clientSecret }, acme: { clientId, provider } }`. */
export function registrations(entries: Readonly<Record<string, ClientEntry>>): RegistrationSource {
  return {
    async registration(providerId: string): Promise<Registration> {
      const entry = Object.hasOwn(entries, providerId) ? entries[providerId] : undefined
      if (entry === undefined)
        throw new ConfigurationError(
          'client_missing',
          `There is no client for ${providerId}. Add clients: { ${JSON.stringify(providerId)}: { clientId, clientSecret } }.`,
        )
      const { provider, ...client } = entry
      return { provider: provider ?? (await lookUp(providerId)), client: hideClientSecret(client) }
    },
  }
}
