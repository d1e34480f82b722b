// `toolgrant providers [search]`: what can be connected, and what has a client id already.
import type { Provider } from '../../providers/index.ts'
import type { CommandContext } from '../context.ts'
import type { ExitCode } from '../exit-code.ts'

/** Lists providers, those whose id or name holds `search` or all. Finding none is no failure. */
export async function providers(
  context: CommandContext,
  _options: unknown,
  search = '',
): Promise<ExitCode | undefined> {
  const { output } = context
  const settings = await context.config()
  const found = (await settings.allProviders()).filter((provider) => matches(provider, search))
  const listed = found.map((provider) => ({
    id: provider.id,
    name: provider.name ?? provider.id,
    configured: settings.hasClient(provider.id),
    defaultScopes: provider.defaultScopes ?? [],
    ...(provider.registerUrl === undefined ? {} : { registerUrl: provider.registerUrl }),
    ...(provider.docsUrl === undefined ? {} : { docsUrl: provider.docsUrl }),
  }))
  if (output.json) await output.document(listed)
  else {
    const rows = listed.map((row) => [
      row.id,
      row.name,
      row.configured ? 'configured' : '-',
      row.registerUrl ?? row.docsUrl ?? '-',
    ])
    await output.table(['PROVIDER', 'NAME', 'CLIENT', 'REGISTER AT'], rows)
    if (rows.length === 0)
      output.note(`No provider matches. Define your own in [providers.*]: docs/config.md.`)
  }
  return undefined
}

function matches({ id, name = '' }: Provider, search: string): boolean {
  const wanted = search.toLowerCase()
  return id.includes(wanted) || name.toLowerCase().includes(wanted)
}
