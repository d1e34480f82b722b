// Builds dist/: rolldown writes the modules, tsc the declarations.
// Each ES module costs half a millisecond of CPU to load, so everything that the root door loads is one file,
// which the other doors share: an error class is the same class behind every door. Names and lines stay readable.
// Runs as `prepare` too, so that `npm ci` leaves a checkout in which `npx .` works.
import { execFileSync } from 'node:child_process'
import { chmodSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type BuildOptions, build } from 'rolldown'

const root = fileURLToPath(new URL('..', import.meta.url))
const { exports: doors, bin } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))

/** `./dist/oauth/index.js` -> `['oauth/index', '<root>/src/oauth/index.ts']`. */
function entryOf(file: string): [string, string] {
  const name = file.replace(/^(\.\/)?dist\//, '').replace(/\.js$/, '')
  return [name, join(root, 'src', `${name}.ts`)]
}

const files: string[] = [
  ...Object.values<{ default?: string }>(doors).flatMap((door) => door.default ?? []),
  ...Object.values<string>(bin),
]
const common: BuildOptions = {
  cwd: root,
  platform: 'node',
  transform: { target: 'node22.18' },
  external: /^(?!\.|\/|\0|@oxc-project\/runtime\/)/, // rolldown has the helper of `using` in itself: it is bundled
  logLevel: 'warn',
}

/** The source files of which the root door, bundled alone, loads code at once; what is loaded on demand is not among them. */
async function loadedByRoot(): Promise<Set<string>> {
  const { output } = await build({ ...common, input: { index: join(root, 'src/index.ts') }, write: false })
  const chunks = new Map(output.flatMap((part) => (part.type === 'chunk' ? [[part.fileName, part]] : [])))
  const loaded = new Set<string>()
  const visit = (fileName: string) => {
    const chunk = chunks.get(fileName)
    if (chunk === undefined || !chunks.delete(fileName)) return
    for (const [id, { renderedLength }] of Object.entries(chunk.modules))
      if (renderedLength > 0) loaded.add(id)
    for (const imported of chunk.imports) visit(imported)
  }
  visit('index.js')
  return loaded
}

const core = await loadedByRoot()
rmSync(join(root, 'dist'), { recursive: true, force: true })
await build({
  ...common,
  input: Object.fromEntries(files.map(entryOf)),
  output: {
    dir: 'dist',
    format: 'esm',
    entryFileNames: '[name].js',
    chunkFileNames: 'chunks/[name]-[hash].js',
    comments: false, // the declarations keep them
    codeSplitting: { groups: [{ name: 'core', test: (id: string) => core.has(id) }] },
  },
})
const tsc = join(root, 'node_modules/typescript/bin/tsc')
execFileSync(process.execPath, [tsc, '-p', join(root, 'tsconfig.build.json')], { stdio: 'inherit' })
chmodSync(join(root, 'dist/cli/main.js'), 0o755)
