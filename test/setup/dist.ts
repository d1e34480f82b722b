// What examples and the packed tarball are run from: dist/, built once before the first test of the level, when a source
// is newer than it.
import { execFileSync } from 'node:child_process'
import { existsSync, globSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('../..', import.meta.url))
const built = join(root, 'dist', 'index.d.ts') // the last thing that a build writes

/** Builds dist/ unless it is newer than everything it is made from. */
export function buildOnce(): void {
  if (existsSync(built) && statSync(built).mtimeMs > newestSource()) return
  execFileSync(process.execPath, [join(root, 'scripts', 'build.ts')], { cwd: root, stdio: 'pipe' })
}

function newestSource(): number {
  const sources = globSync('src/**/*.ts', { cwd: root })
  const files = [...sources, 'scripts/build.ts', 'package.json', 'tsconfig.json', 'tsconfig.build.json']
  return Math.max(...files.map((file) => statSync(join(root, file)).mtimeMs))
}
