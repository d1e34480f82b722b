// The vault's key in a file that only its owner can read. [Node, loaded at first use]
// Who asks for it, or changes it, loads the rest.
import type { KeyProvider } from './keys.ts'

/**
 * Keeps keys in a file of mode 0600, one key a line, the first of which seals a new vault. It is made, with its folder
 * (0700), when a new vault needs a key; of several processes that make it at the same time one wins and all use its key.
 * A further key goes above the others.
 *
 * A file that others can read is refused (`key_invalid`), because the key may already have been copied.
 */
export function keyFile(path: string): KeyProvider {
  return {
    place: `the key file ${path}`,
    load: async () => (await content()).readKeys(path),
    create: async () => (await content()).makeKey(path),
    async keep(text) {
      const { SealingKey } = await import('../seal.ts')
      const { changeKeyFile } = await import('./key-file-change.ts')
      await changeKeyFile(path, (file) => file.with(SealingKey.parse(text).id, text))
      return undefined
    },
    async remove(keyId) {
      const before = await (await content()).readKeys(path)
      if (!before.some(({ id }) => id === keyId)) return false
      const { changeKeyFile } = await import('./key-file-change.ts')
      await changeKeyFile(path, (file) => file.without(keyId))
      return true
    },
  }
}

function content() {
  return import('./key-file-content.ts')
}
