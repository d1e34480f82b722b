// Uses the packed tarball as a consumer does, on the Node that runs this script: install into an empty project,
// import every door, compile a strict consumer, run the command line.
import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))

/** What {@link tryPackage} found. */
export interface PackageTrial {
  /** File names in the tarball. */
  files: string[]
  /** Doors that were imported, and the names each exports. */
  doors: Record<string, string[]>
  /** What `toolgrant --version` printed. */
  version: string
  /** Packages that the built files import, on demand too, and package.json does not declare. */
  undeclared: string[]
}

/** Packs, installs and uses the package. Throws with the command's output when any step fails. */
export function tryPackage(): PackageTrial {
  const folder = mkdtempSync(join(tmpdir(), 'toolgrant-package-'))
  try {
    const [packed] = JSON.parse(
      npm(['pack', '--json', '--ignore-scripts', '--pack-destination', folder], root),
    )
    writeFileSync(join(folder, 'package.json'), '{ "name": "consumer", "private": true, "type": "module" }\n')
    npm(['install', '--no-audit', '--no-fund', '--prefer-offline', join(folder, packed.filename)], folder)
    compileConsumer(folder)
    return {
      files: packed.files.map((file: { path: string }) => file.path),
      doors: importDoors(folder),
      version: run(
        process.execPath,
        [join(folder, 'node_modules/toolgrant/dist/cli/main.js'), '--version'],
        folder,
      ).trim(),
      undeclared: undeclaredImports(join(folder, 'node_modules/toolgrant')),
    }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

function npm(args: string[], cwd: string): string {
  return run('npm', args, cwd)
}

function run(command: string, args: string[], cwd: string): string {
  const { status, stdout, stderr, error } = spawnSync(command, args, { cwd, encoding: 'utf8' })
  if (error !== undefined) throw error
  if (status !== 0)
    throw new Error(`${command} ${args.join(' ')} ended with ${status}:\n${stdout}\n${stderr}`)
  return stdout
}

/** The specifier of an import at a line's beginning, or of one on demand, that is no path and not Node's own. */
const importedName = /(?:^(?:import|export)\b[^"\n]*|\bimport\()"((?!\.|\/|node:)[^"\n]+)"/gm

function doorsOf(folder: string): string[] {
  const { exports } = JSON.parse(readFileSync(join(folder, 'node_modules/toolgrant/package.json'), 'utf8'))
  return Object.keys(exports)
    .filter((door) => !door.endsWith('.json'))
    .map((door) => `toolgrant${door.slice(1)}`)
}

function importDoors(folder: string): Record<string, string[]> {
  const doors = doorsOf(folder)
  const code = `const doors = {}; for (const door of ${JSON.stringify(doors)}) doors[door] = Object.keys(await import(door)); console.log(JSON.stringify(doors))`
  writeFileSync(join(folder, 'doors.mjs'), code)
  return JSON.parse(run(process.execPath, [join(folder, 'doors.mjs')], folder))
}

function undeclaredImports(folder: string): string[] {
  const { name, dependencies } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'))
  const known = new Set([name, ...Object.keys(dependencies)])
  const imported = readdirSync(join(folder, 'dist'), { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.js'))
    .flatMap((file) => [...readFileSync(join(folder, 'dist', file), 'utf8').matchAll(importedName)])
    .flatMap(([, specifier = '']) => /^(?:@[^/]+\/)?[^/]+/.exec(specifier) ?? [])
  return [...new Set(imported)].filter((specifier) => !known.has(specifier))
}

/** A consumer with every strict flag on and `skipLibCheck` off: our types must compile by themselves. */
function compileConsumer(folder: string): void {
  const imports = doorsOf(folder).map(
    (door, index) => `import * as door${index} from '${door}'\nexport { door${index} }`,
  )
  writeFileSync(
    join(folder, 'consumer.ts'),
    `${imports.join('\n')}\n${readFileSync(join(root, 'scripts/consumer.ts.txt'), 'utf8')}`,
  )
  const options = {
    target: 'ES2024',
    lib: ['ES2024', 'ESNext.Disposable', 'DOM', 'DOM.Iterable', 'DOM.AsyncIterable'],
    module: 'NodeNext',
    strict: true,
    exactOptionalPropertyTypes: true,
    noUncheckedIndexedAccess: true,
    skipLibCheck: false,
    noEmit: true,
    types: [],
  }
  writeFileSync(
    join(folder, 'tsconfig.json'),
    JSON.stringify({ compilerOptions: options, files: ['consumer.ts'] }),
  )
  const tsc = join(root, 'node_modules/typescript/bin/tsc')
  if (!existsSync(tsc)) throw new Error('TypeScript is not installed: run npm ci first.')
  run(process.execPath, [tsc, '-p', folder], folder)
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const { files, doors, version, undeclared } = tryPackage()
  if (undeclared.length > 0)
    throw new Error(`dist imports what package.json does not declare: ${undeclared.join(', ')}`)
  console.log(
    `${files.length} files, ${Object.keys(doors).length} doors, version ${version}, Node ${process.version}`,
  )
}
