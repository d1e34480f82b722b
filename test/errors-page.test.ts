// docs/errors.md explains each code, and no other.
import { readFileSync } from 'node:fs'
import { expect, it } from 'vitest'

const read = (path: string) => readFileSync(new URL(path, import.meta.url), 'utf8')

it('documents every error code, and none that does not exist', () => {
  const union = /export type ErrorCode =([\s\S]*?)\n\n/.exec(read('../src/errors.ts'))?.[1] ?? ''
  const declared = [...union.matchAll(/'(\w+)'/g)].map(([, code]) => code).sort()
  const documented = [...read('../docs/errors.md').matchAll(/^\| [^|]*\| `(\w+)` \|/gm)]
    .map(([, code]) => code)
    .sort()
  expect(declared.length).toBeGreaterThan(50)
  expect(documented).toEqual(declared)
})
