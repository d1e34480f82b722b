// The runtimes that the smoke suite can run in: what has a command line, and a browser. No vitest import, because
// scripts/try-runtimes.ts runs it too.
import { spawn } from 'node:child_process'
import { copyFileSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { chromium } from 'playwright-core'
import { rolldown } from 'rolldown'
import { chromiumFlags, chromiumPath } from '../setup/chromium.ts'
import { type Stage, startStage } from './stage.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))
const here = fileURLToPath(new URL('.', import.meta.url))

/** A program that runs JavaScript modules, and the arguments before the module. */
export interface CommandLineRuntime {
  command: string
  args?: readonly string[]
}

/** Puts the programs where `toolgrant` resolves: to the checkout's dist/, unless the package is installed there. */
export function fillConsumer(folder: string, options: { installed: boolean }): void {
  if (!options.installed) {
    writeFileSync(join(folder, 'package.json'), '{ "private": true, "type": "module" }\n')
    mkdirSync(join(folder, 'node_modules'), { recursive: true })
    symlinkSync(root, join(folder, 'node_modules', 'toolgrant'), 'dir')
  }
  for (const file of ['smoke.mjs', 'main.mjs']) copyFileSync(join(here, file), join(folder, file))
}

/** The names of the checks that passed. Rejects with what the runtime printed when one did not. */
export async function smokeOn(runtime: CommandLineRuntime, folder: string): Promise<string[]> {
  return onStage((stage) => {
    const args = [...(runtime.args ?? []), 'main.mjs', stage.origin]
    return new Promise((resolve, reject) => {
      const child = spawn(runtime.command, args, {
        cwd: folder,
        stdio: ['ignore', 'pipe', 'pipe'],
        timeout: 60_000,
      })
      let out = ''
      let errors = ''
      child.stdout.setEncoding('utf8').on('data', (text: string) => {
        out += text
      })
      child.stderr.setEncoding('utf8').on('data', (text: string) => {
        errors += text
      })
      child.on('error', reject)
      child.on('close', (code) =>
        code === 0
          ? resolve(JSON.parse(out))
          : reject(new Error(`${runtime.command} ended with ${code}:\n${out}${errors}`)),
      )
    })
  })
}

/** As {@link smokeOn}, in headless Chromium: the same program, bundled as a web application would be. */
export async function smokeInChromium(folder: string): Promise<{ version: string; passed: string[] }> {
  return onStage(async (stage) => {
    stage.files.set('/page', '<!doctype html><title>smoke</title>')
    for (const [path, code] of await bundled(folder)) stage.files.set(path, code)
    const browser = await chromium.launch({ executablePath: chromiumPath() ?? '', args: [...chromiumFlags] })
    try {
      const page = await browser.newPage()
      await page.goto(`${stage.origin}/page`)
      const run = `import('/smoke.js').then(({ smoke }) => smoke(${JSON.stringify(stage.origin)}))`
      return { version: browser.version(), passed: await page.evaluate(run) }
    } finally {
      await browser.close()
    }
  })
}

/** smoke.mjs and the portable packages that it needs. What else the package loads on demand is left out: no check asks for it. */
async function bundled(folder: string): Promise<[path: string, code: string][]> {
  const bundle = await rolldown({
    cwd: folder,
    input: { smoke: join(folder, 'smoke.mjs') },
    platform: 'browser',
    external: (id) => !/^(?:[./\0]|toolgrant\b|oauth4webapi$|jose$|@oxc-project\/runtime\/)/.test(id),
    logLevel: 'silent',
  })
  const { output } = await bundle.generate({ format: 'esm', entryFileNames: '[name].js' })
  await bundle.close()
  return output.flatMap((part) => (part.type === 'chunk' ? [[`/${part.fileName}`, part.code]] : []))
}

async function onStage<Result>(run: (stage: Stage) => Promise<Result>): Promise<Result> {
  const stage = await startStage()
  try {
    return await run(stage)
  } finally {
    await stage.close()
  }
}
