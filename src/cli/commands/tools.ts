// `toolgrant tools`: what the configured module exports, or its schemas for a model.
import type { Tool } from '../../tools/index.ts'
import type { CommandContext } from '../context.ts'
import type { ExitCode } from '../exit-code.ts'
import { loadTools } from '../tool-module.ts'

/** Options of {@link tools}. */
export interface ToolsOptions {
  /** The module, instead of the configured one. */
  tools?: string
  schema?: 'openai' | 'anthropic' | 'gemini'
}

/** Lists the tools; needs no vault and calls nobody. */
export async function tools(context: CommandContext, options: ToolsOptions): Promise<ExitCode | undefined> {
  const { output } = context
  const found = await loadTools(context, options.tools)
  const { schema } = options
  if (schema !== undefined) await output.document(found.map((tool) => tool[schema]()))
  else if (output.json) await output.document(found.map(toolRecord))
  else await output.table(['TOOL', 'PROVIDER', 'SCOPES', 'DESCRIPTION'], found.map(row))
  return undefined
}

function toolRecord(tool: Tool): Record<string, unknown> {
  const { name, description, auth, effect, jsonSchema } = tool
  return { name, description, auth, ...(effect === undefined ? {} : { effect }), inputSchema: jsonSchema }
}

function row({ name, description, auth }: Tool): string[] {
  const providers = auth.map(({ provider }) => provider).join(', ')
  const scopes = auth.flatMap((each) => each.scopes).join(' ')
  return [name, providers || '-', scopes || '-', description.split('\n')[0] ?? '']
}
