// What `toolgrant init` writes into new files.
import type { Provider } from '../providers/index.ts'

/** What is known about a client when its section is written. */
export interface ClientAnswers {
  provider: Provider
  clientId: string | undefined
  clientSecret: string | undefined
  redirectUri: string
}

/** A new `toolgrant.toml`. Keys outside a section come first: TOML would take them into the section above. */
export const configTemplate = `# toolgrant: who we are at each provider. Secrets belong into .secrets.toml beside this file.

# Whose connections the command line uses. Default: your login name.
# user = "ada"

# The module that exports your tools.
# tools = "./tools.ts"

# Where connections are kept, sealed. Default: a file in your data folder.
# [vault]
# url = "sqlite:./toolgrant.db"
`

/** A new `.secrets.toml`. */
export const secretsTemplate = `# Secrets of toolgrant.toml. Readable by you alone, and not committed.
`

/** `[auth.<provider>]` for `toolgrant.toml`. */
export function configSection({ provider, clientId, redirectUri }: ClientAnswers): string {
  const where = provider.registerUrl ?? provider.docsUrl
  return [
    '',
    ...(where ? [`# Register an application at ${where}`] : []),
    `[auth.${tomlKey(provider.id)}]`,
    clientId === undefined ? '# client_id = ""' : `client_id = ${tomlText(clientId)}`,
    `redirect_uri = ${tomlText(redirectUri)}`,
    '',
  ].join('\n')
}

/** `[auth.<provider>]` for `.secrets.toml`. */
export function secretsSection({ provider, clientSecret }: ClientAnswers): string {
  const line =
    clientSecret === undefined ? '# client_secret = ""' : `client_secret = ${tomlText(clientSecret)}`
  return ['', `[auth.${tomlKey(provider.id)}]`, line, ''].join('\n')
}

function tomlKey(name: string): string {
  return /^[A-Za-z0-9_-]+$/.test(name) ? name : JSON.stringify(name)
}

/** A TOML basic string; JSON's escapes are all TOML's too. */
function tomlText(text: string): string {
  return JSON.stringify(text)
}
