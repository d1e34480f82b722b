// No secret in any output, part four: the demo. Nobody but its own servers knows its secrets, so a witness inside them
// writes down what they receive and send, and what the demo tells is searched for that.
import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { Evidence, Secrets } from './canary/search.ts'

describe.concurrent('the demo', () => {
  const witness = new URL('./canary/witness.ts', import.meta.url).href
  const onOidcProvider = [fileURLToPath(new URL('../demo/main.ts', import.meta.url))]
  const onSimulator = [fileURLToPath(new URL('../src/cli/main.ts', import.meta.url)), 'demo', '--no-browser']

  it.each([
    ['on the certified server, for people', onOidcProvider],
    ['on the simulator, as JSON', [...onSimulator, '--json']],
  ])('%s: shows no secret', async (_name, args) => {
    const place = await mkdtemp(join(tmpdir(), 'toolgrant-witness-'))
    const file = join(place, 'secrets')
    await writeFile(file, '')
    const output = await tell(['--import', witness, ...args], file)
    const seen = (await readFile(file, 'utf8'))
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line))
    await rm(place, { recursive: true })
    const told = new Evidence()
    for (const [, url] of output.matchAll(/(http:\/\/127\.0\.0\.1:\d+\/auth\S*?)["\s]/g)) told.show(url)
    told.text('the demo', output)
    const secrets = new Secrets()
    for (const { name, value } of seen)
      secrets.add(name, value.startsWith('eyJ') ? value.split('.')[2] : value)
    for (const name of ['access_token', 'refresh_token', 'code', 'code_verifier', 'bearer token'])
      expect(seen.map((each) => each.name)).toContain(name)
    expect(told.find(secrets)).toEqual([])
    told.text('a control', `leak ${seen.find(({ name }) => name === 'refresh_token').value}`)
    expect(told.find(secrets)).toHaveLength(1)
  })
})

/** What the demo writes to both streams. */
function tell(args: string[], file: string): Promise<string> {
  const { PATH = '', HOME = '' } = process.env
  const env = { PATH, HOME, CANARY_WITNESS: file, TOOLGRANT_DEBUG: '1' }
  return new Promise((resolve, reject) => {
    execFile(process.execPath, args, { env, timeout: 60_000 }, (error, stdout, stderr) => {
      if (error) reject(new Error(`The demo failed: ${stderr}`, { cause: error }))
      else resolve(stdout + stderr)
    })
  })
}
