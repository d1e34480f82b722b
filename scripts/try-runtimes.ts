// Runs the smoke suite of the portable core (test/portable) in every runtime that is promised, on the packed tarball as
// a consumer has it: `npm run runtimes`, or `npm run runtimes -- node@22.18.0 bun` for some of them.
// Node, Deno and Bun come from the npm registry into a temporary folder; Chromium is the machine's.
import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { fillConsumer, smokeInChromium, smokeOn } from '../test/portable/runtimes.ts'

const root = fileURLToPath(new URL('..', import.meta.url))

/** Packages of the registry that are runtimes, and how each runs a module. */
const runtimes: Readonly<Record<string, { args?: readonly string[] }>> = {
  'node@22.18.0': {},
  'node@24': {},
  'node@26': {},
  'deno@2': { args: ['run', '--allow-all', '--node-modules-dir=manual'] },
  'bun@1': {},
}

function run(command: string, args: readonly string[], cwd: string): string {
  const { status, stdout, stderr, error } = spawnSync(command, args, { cwd, encoding: 'utf8' })
  if (error !== undefined) throw error
  if (status !== 0)
    throw new Error(`${command} ${args.join(' ')} ended with ${status}:\n${stdout}\n${stderr}`)
  return stdout
}

const npmInstall = (what: string, folder: string) =>
  run('npm', ['install', '--no-audit', '--no-fund', '--prefer-offline', what], folder)

/** An empty project that has the packed package. */
function consumer(folder: string): string {
  const [packed] = JSON.parse(
    run('npm', ['pack', '--json', '--ignore-scripts', '--pack-destination', folder], root),
  )
  const project = join(folder, 'consumer')
  mkdirSync(project)
  writeFileSync(join(project, 'package.json'), '{ "name": "consumer", "private": true, "type": "module" }\n')
  npmInstall(join(folder, packed.filename), project)
  fillConsumer(project, { installed: true })
  return project
}

/** Installs a runtime and returns its program. */
function install(name: string, folder: string): string {
  const [command = name] = name.split('@')
  const home = join(folder, name)
  mkdirSync(home)
  const allowScripts = { [command]: true }
  writeFileSync(join(home, 'package.json'), JSON.stringify({ private: true, allowScripts }))
  npmInstall(name, home)
  return join(home, 'node_modules', '.bin', command)
}

async function tryRuntime(name: string, folder: string, project: string): Promise<string> {
  if (name === 'chromium') {
    const { version, passed } = await smokeInChromium(project)
    return `chromium ${version}: ${passed.length} checks passed`
  }
  const { args = [] } = runtimes[name] ?? {}
  const command = install(name, folder)
  const [version = ''] = /\d+\.\d+\.\d+/.exec(run(command, ['--version'], folder)) ?? []
  const passed = await smokeOn({ command, args }, project)
  return `${name.split('@')[0]} ${version}: ${passed.length} checks passed`
}

const asked = process.argv.slice(2)
const all = [...Object.keys(runtimes), 'chromium']
const chosen = all.filter((name) => asked.length === 0 || asked.some((word) => name.startsWith(word)))
if (chosen.length === 0) throw new Error(`No such runtime. There are: ${all.join(', ')}.`)

const folder = mkdtempSync(join(tmpdir(), 'toolgrant-runtimes-'))
try {
  run(process.execPath, [join(root, 'scripts', 'build.ts')], root)
  const project = consumer(folder)
  for (const name of chosen) {
    try {
      console.log(await tryRuntime(name, folder, project))
    } catch (error) {
      console.log(`${name}: FAILED`)
      console.error(error)
      process.exitCode = 1
    }
  }
} finally {
  rmSync(folder, { recursive: true, force: true })
}
