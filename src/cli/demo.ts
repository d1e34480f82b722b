// The demo: the main job from end to end on this machine, told a step a line, each step checked.
// An authorization server, a small API, a model, a vault, a second process: all real, all on loopback.
import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { loopback } from '../flows/index.ts'
import { defineProvider } from '../providers/index.ts'
import { Toolbox, tool } from '../tools/index.ts'
import { Vault } from '../vault/index.ts'
import { startDemoApi } from './demo-api.ts'
import { chooseModel } from './demo-model.ts'
import { DemoReport, hidden } from './demo-report.ts'
import { accessTokenSeconds, type DemoOptions, type Stage, user } from './demo-stage.ts'
import { tellStory } from './demo-story.ts'

const scopes = ['openid', 'offline_access', 'notes.read']

/** Runs the story. Resolves to `true` only if each step was checked and held; a failed step is told and ends it. */
export async function runDemo(options: DemoOptions): Promise<boolean> {
  const report = new DemoReport(options.output)
  const folder = mkdtempSync(join(tmpdir(), 'toolgrant-demo-'))
  const cleanups: Cleanup[] = [() => rmSync(folder, { recursive: true, force: true })]
  try {
    await tellStory(await prepare(options, report, folder, (cleanup) => cleanups.push(cleanup)))
  } catch (error) {
    options.signal.throwIfAborted()
    if (report.ok) throw error // not a step's: nothing has been told of it yet
  } finally {
    for (const cleanup of cleanups.reverse()) await cleanup()
  }
  if (report.ok)
    report.note(
      '\nEvery step was checked. No token reached the model, the terminal or the disk in the clear.',
    )
  return report.ok
}

type Cleanup = () => unknown

async function prepare(
  options: DemoOptions,
  report: DemoReport,
  folder: string,
  atEnd: (cleanup: Cleanup) => void,
): Promise<Stage> {
  const parts = await report.step(
    'servers',
    'An authorization server, an API and a model are listening',
    async () => {
      const server = await options.startServer({ accessTokenSeconds, scopes })
      atEnd(() => server.close())
      const api = await startDemoApi(server.accessToken)
      atEnd(() => api.close())
      const model = await chooseModel(options.environment ?? {}, options.wire)
      atEnd(() => model.close())
      const urls = { server: server.issuer, api: api.url, model: model.name }
      return hidden(urls, { started: { server, api, model } })
    },
  )
  const { server, api, model } = parts.started
  report.note(`       ${server.name} at ${server.issuer} · API at ${api.url} · ${model.name}`)
  const provider = defineProvider({
    id: 'notes',
    name: 'Notes',
    issuer: server.issuer,
    apiBaseUrl: api.url,
    authorizationParams: { prompt: 'consent' },
  })
  const key = randomBytes(32).toString('base64')
  const vault = await Vault.open({
    url: `sqlite:${join(folder, 'vault.db')}`,
    key,
    clients: { notes: { ...server.client, provider } },
  })
  atEnd(() => vault.close())
  const flow = loopback({ openBrowser: options.browser === true, path: '/callback', onEvent: () => {} })
  const toolbox = new Toolbox({ vault, flow, tools: [listNotes] })
  atEnd(() => toolbox.close())
  const secrets = new Set(server.client.clientSecret === undefined ? [] : [server.client.clientSecret])
  return {
    options,
    report,
    server,
    api,
    model,
    vault,
    provider,
    folder,
    key,
    secrets,
    box: toolbox.for({ user }),
  }
}

const listNotes = tool({
  name: 'list_notes',
  description: "List the person's own notes, newest first.",
  input: {
    type: 'object',
    properties: { limit: { type: 'integer', minimum: 1, maximum: 50, default: 10, description: 'How many' } },
  },
  auth: { provider: 'notes', scopes },
  run: async (input, { fetch }) => {
    const { limit } = input as { limit: number }
    return (await fetch(`/notes?limit=${limit}`)).json()
  },
})
