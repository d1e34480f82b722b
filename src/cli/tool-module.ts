// The module that the configuration names, and the tools it exports. TypeScript runs as it is, by type stripping.
import { stat } from 'node:fs/promises'
import { resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { ConfigurationError } from '../errors.ts'
import { Tool } from '../tools/index.ts'
import type { CommandContext } from './context.ts'
import { redirectToolOutput } from './tool-output.ts'

/**
 * Loads the module of `--tools`, `TOOLGRANT_TOOLS` or `tools` in the configuration. Its tools are its export `tools`,
 * when that is an array, else every tool among its exports, in the order of their names.
 *
 * From here on what the tools print goes to stderr: stdout belongs to the command's data.
 *
 * @throws {ConfigurationError} `config_invalid` when no module is named, it cannot be loaded, or it exports no tool.
 */
export async function loadTools(
  context: CommandContext,
  option: string | undefined,
): Promise<readonly Tool[]> {
  const path = option === undefined ? (await context.config()).tools : resolve(option)
  if (path === undefined)
    throw problem(
      'No module with tools is named. Write tools = "./tools.ts" into toolgrant.toml, or give --tools <file>.',
    )
  redirectToolOutput(context.output)
  const exported = await importModule(path)
  const found = Array.isArray(exported['tools']) ? exported['tools'] : Object.values(exported)
  const tools = [...new Set(found)].filter((value) => isTool(value, path))
  if (tools.length === 0)
    throw problem(`${path} exports no tool. Export each tool({ … }), or an array of them as tools.`)
  return tools
}

async function importModule(path: string): Promise<Readonly<Record<string, unknown>>> {
  if (!(await stat(path).catch(() => undefined))?.isFile())
    throw problem(
      `The module with the tools is not there: ${path}. Correct tools in toolgrant.toml, or --tools.`,
    )
  try {
    return await import(pathToFileURL(path).href)
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error)
    throw problem(`${path} cannot be loaded: ${reason}`, error)
  }
}

function isTool(value: unknown, path: string): value is Tool {
  if (value instanceof Tool) return true
  if (typeof value !== 'object' || value === null || value.constructor?.name !== 'Tool') return false
  throw problem(
    `${path} makes its tools with another copy of toolgrant than this command's. Run the copy of its own project: npx toolgrant`,
  )
}

function problem(message: string, cause?: unknown): ConfigurationError {
  return new ConfigurationError('config_invalid', message, { cause })
}
