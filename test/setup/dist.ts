// What examples and the packed tarball are run from: dist/, built once before the first test of the level, when a source
// is newer than it.
import { spawnSync } from 'node:child_process'
import { existsSync, globSync, rmSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('../..', import.meta.url))
const built = join(root, 'dist', 'index.d.ts') // the last thing that a build writes

/** Builds dist/ unless it is newer than everything it is made from. What cannot be built is said, and the tests that use it fail. */
export function buildOnce(): void {
  if (existsSync(built) && statSync(built).mtimeMs > newestSource()) return
  const script = join(root, 'scripts', 'build.ts')
  const { status, stdout, stderr } = spawnSync(process.execPath, [script], { cwd: root, encoding: 'utf8' })
  if (status === 0) return
  rmSync(built, { force: true })
  process.stderr.write(`dist/ could not be built:\n${stdout}${stderr}`)
}

function newestSource(): number {
  const sources = globSync('src/**/*.ts', { cwd: root })
  const files = [...sources, 'scripts/build.ts', 'package.json', 'tsconfig.json', 'tsconfig.build.json']
  return Math.max(...files.map((file) => statSync(join(root, file)).mtimeMs))
}
