// What the audit log costs: a call's share when it records a use, the writing behind its back, and checking the chain.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { TokenSet } from '../src/oauth/index.ts'
import { defineProvider } from '../src/providers/index.ts'
import { generateKey } from '../src/seal.ts'
import { Toolbox, tool } from '../src/tools/index.ts'
import { type AuditLevel, Vault } from '../src/vault/index.ts'
import { median } from './statistics.ts'

const provider = defineProvider({
  ...{ id: 'acme', authorizationUrl: 'https://acme.test/authorize', tokenUrl: 'https://acme.test/token' },
  apiBaseUrl: 'https://api.acme.test',
})

/** Microseconds a use; lines a second when they are written and checked; a tool call with the log against one without. */
export async function measureAudit(): Promise<Record<string, number>> {
  const folder = mkdtempSync(join(tmpdir(), 'toolgrant-bench-'))
  try {
    const open = (name: string, audit: AuditLevel) =>
      Vault.open({
        ...{ url: `sqlite:${join(folder, name, 'vault.db')}`, key: generateKey(), audit },
        clients: { acme: { clientId: 'client', provider } },
      })
    await using vault = await open('recording', 'all')
    const lines = await recording(vault)
    await using on = await open('on', 'all')
    await using off = await open('off', 'off')
    return { ...lines, ...(await calls(on, off)) }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

async function recording(vault: Vault): Promise<Record<string, number>> {
  await vault.save({ user: 'ada', provider: 'acme' }, new TokenSet({ accessToken: 'token', scopes: [] }))
  const [recordUs, writeUs]: [number[], number[]] = [[], []]
  const batch = 190
  for (let round = 0; round < 100; round += 1) {
    const begun = performance.now()
    for (let index = 0; index < batch; index += 1)
      vault.audit.record({
        ...{ action: 'tool', outcome: 'ok', user: 'ada', tool: 'send', thread: 'thread', ms: 120 },
        connections: [{ provider: 'acme' }],
        requests: [{ host: 'api.acme.test', method: 'GET', status: 200, count: 2, ms: 110 }],
      })
    const between = performance.now()
    await vault.audit.flush()
    recordUs.push(((between - begun) * 1000) / batch)
    writeUs.push(((performance.now() - between) * 1000) / batch)
  }
  const begun = performance.now()
  const { lines, intact } = await vault.audit.verify()
  const verifiedPerSecond = lines / ((performance.now() - begun) / 1000)
  return {
    ...{ recordUs: median(recordUs), writeUs: median(writeUs), lines },
    ...{ intact: intact ? 1 : 0, verifiedPerSecond: Math.round(verifiedPerSecond) },
  }
}

/** A tool that sends one request, which is answered at once. */
async function calls(on: Vault, off: Vault): Promise<Record<string, number>> {
  const ping = tool({
    ...{ name: 'ping', description: 'Ping.', input: { type: 'object', properties: {} } },
    auth: { provider: 'acme', scopes: [] },
    run: async (_, { fetch }) => (await fetch('/ping')).status,
  })
  const answer = new Response(null, { status: 204 })
  const fetch = async () => answer.clone()
  const toolboxes = [on, off].map((vault) => new Toolbox({ vault, tools: [ping], fetch }))
  const times: [number[], number[]] = [[], []]
  for (const vault of [on, off])
    await vault.save({ user: 'ada', provider: 'acme' }, new TokenSet({ accessToken: 'token', scopes: [] }))
  for (let round = 0; round < 40; round += 1)
    for (const [which, toolbox] of toolboxes.entries()) {
      const begun = performance.now()
      for (let index = 0; index < 150; index += 1) await toolbox.for({ user: 'ada' }).call('ping', {})
      times[which]?.push(((performance.now() - begun) * 1000) / 150)
      await (which === 0 ? on : off).audit.flush()
    }
  const [callUs, callWithoutUs] = times.map(median)
  for (const toolbox of toolboxes) await toolbox.close()
  return {
    callUs: callUs ?? 0,
    callWithoutUs: callWithoutUs ?? 0,
    addedUs: (callUs ?? 0) - (callWithoutUs ?? 0),
  }
}
