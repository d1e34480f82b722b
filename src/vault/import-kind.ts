// Finds out what an import is from, by looking: folders by what is in them, files by how they begin.
import type { ImportKind } from './import.ts'

/**
 * What a source of {@link Vault.import} is; `undefined` when it is not there, or a folder of nothing known. A file that is
 * no bundle is taken for JSON. Nothing is changed.
 */
export async function importKindOf(source: string | Uint8Array): Promise<ImportKind | undefined> {
  const { isBundle } = await import('./bundle.ts')
  if (source instanceof Uint8Array) return isBundle(source.subarray(0, 64)) ? 'bundle' : 'json'
  const { leadsToFolder } = await import('./import-folder.node.ts')
  if (await leadsToFolder(source)) return folderKind(source)
  const { openByteFile } = await import('./bundle-file.node.ts')
  const file = await openByteFile(source).catch(() => undefined)
  if (file === undefined) return undefined
  try {
    return isBundle(await file.read(0, 64)) ? 'bundle' : 'json'
  } finally {
    await file.close()
  }
}

async function folderKind(path: string): Promise<ImportKind | undefined> {
  const { mcpRemoteFolders } = await import('./import-mcp-remote.node.ts')
  if ((await mcpRemoteFolders(path)) !== undefined) return 'mcp-remote'
  const { gumcpFolder } = await import('./import-gumcp.node.ts')
  return (await gumcpFolder(path)) === undefined ? undefined : 'gumcp'
}
