// Whether a scheduler keeps a process alive is something that only a process can show.
import { spawn } from 'node:child_process'
import { describe, expect, it } from 'vitest'

const vaultUrl = new URL('../src/vault/index.ts', import.meta.url).href

/** Runs a program with an open vault; how long it lived, in milliseconds, and what it printed. */
function lived(program: string): Promise<{ ms: number; code: number | null; stdout: string }> {
  const source = `import { Vault } from '${vaultUrl}'
const vault = await Vault.open({ url: 'memory:', clients: {} })
const began = performance.now()
process.on('exit', () => process.stdout.write(String(performance.now() - began)))
${program}`
  const child = spawn(process.execPath, ['--input-type=module-typescript', '--eval', source], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  let stdout = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text
  })
  return new Promise((resolve, reject) => {
    child.on('error', reject)
    child.on('close', (code) => resolve({ ms: Number(stdout), code, stdout }))
  })
}

describe('a scheduler', () => {
  it('does not keep its process alive by itself', async () => {
    const { ms, code } = await lived('vault.keepFresh()')
    expect(code).toBe(0)
    expect(ms).toBeLessThan(900)
  })

  it('does while its end is awaited', async () => {
    const { ms, code } = await lived(`const keeper = vault.keepFresh()
setTimeout(() => void keeper.stop(), 1500).unref()
await keeper.done`)
    expect(code).toBe(0)
    expect(ms).toBeGreaterThan(1400)
  })
})
