// The tarball, not the checkout: what users get must install, load, compile and run.
import { globSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { expect, it } from 'vitest'
import { tryPackage } from '../scripts/try-package.ts'

it('installs into an empty project, loads every door, compiles strictly and runs', () => {
  const { version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'))
  const trial = tryPackage()
  expect(trial.version).toBe(version)
  expect(trial.doors['toolgrant']).toEqual(
    expect.arrayContaining(['Session', 'Toolbox', 'Vault', 'defineProvider', 'loopback', 'provider', 'tool']),
  )
  expect(trial.files).toEqual(
    expect.arrayContaining(['LICENSE', 'README.md', 'dist/index.js', 'dist/index.d.ts', 'dist/cli/main.js']),
  )
  expect(trial.undeclared).toEqual([])
  expect(trial.files.filter((file) => /\.test\.|\.contract\.|^src|^test/.test(file))).toEqual([])
}, 180_000)

it('loads the root door as two files: a further module costs each process half a millisecond', () => {
  const dist = fileURLToPath(new URL('../dist/', import.meta.url))
  const imports = (file: string) =>
    [...readFileSync(file, 'utf8').matchAll(/^(?:import|export)\b[^;]*?from "([^"]+)"/gm)].map(
      ([, specifier = '']) => specifier,
    )
  const core = globSync('chunks/core-*.js', { cwd: dist })
  expect(core).toHaveLength(1)
  expect(new Set(imports(`${dist}index.js`))).toEqual(new Set([`./${core[0]}`]))
  expect(imports(`${dist}${core[0]}`)).toEqual([])
})
