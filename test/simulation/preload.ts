// Loads whatever the vault may load later: what is loaded for the first time in a simulated step would not complete within
// it, and the first world of a thread would differ from the same world later on.
import { readdirSync } from 'node:fs'

/** Folders of `src` that a vault may load from, without the parts that talk to other stores and the desktop. */
const folders = ['providers', 'oauth', 'vault']
const others = /\.(test|contract)\.ts$|^(postgres|sqlite|location|key-keychain|import-.*\.node|.*\.node)/

/** Loads them. */
export async function preload(): Promise<void> {
  const root = new URL('../../src/', import.meta.url)
  for (const folder of folders)
    for (const name of readdirSync(new URL(`${folder}/`, root)))
      if (name.endsWith('.ts') && !others.test(name)) await import(new URL(`${folder}/${name}`, root).href)
  await import('oauth4webapi')
  await Promise.all([import('./stage.ts'), import('./scenarios.ts'), import('./shrink.ts')])
}
