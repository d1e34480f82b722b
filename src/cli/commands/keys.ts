// `toolgrant keys list|add|rotate|retire`: the keys of the vault, changed while it serves. Prints a key only for --print.
import { argumentError } from '../../errors.ts'
import { generateKey, SealingKey } from '../../seal.ts'
import type { RotatedKeys, RotationProgress, VaultKey } from '../../vault/index.ts'
import type { CommandContext } from '../context.ts'
import { type ExitCode, exitCodes } from '../exit-code.ts'
import { type Output, printable } from '../output.ts'
import { readStandardInput } from '../standard-input.ts'

/** `toolgrant keys list` */
export async function listKeys(context: CommandContext): Promise<ExitCode | undefined> {
  const { output, signal } = context
  const keys = (await (await context.vaultToRead())?.keys.list({ signal })) ?? []
  if (output.json) await output.document(keys.map(record))
  else await output.table(['KEY', 'SEALS', 'ADDED', 'CONNECTIONS', 'OTHERS', 'WHERE'], keys.map(row))
  for (const { id, why } of keys) if (why !== undefined) output.warn(`The key ${id} was not found: ${why}.`)
  return undefined
}

function record({ createdAt, ...key }: VaultKey): Record<string, unknown> {
  return { ...key, createdAt: createdAt.toISOString() }
}

function row({ id, primary, createdAt, connections, others, place }: VaultKey): string[] {
  const added = createdAt.toISOString().replace(/\.\d+Z$/, 'Z')
  return [id, primary ? 'yes' : 'no', added, `${connections}`, `${others}`, place ?? 'not found']
}

/** Options of {@link addKey}. */
export interface AddKeyCommandOptions {
  fromStdin?: boolean
  id?: string
  print?: boolean
}

/** `toolgrant keys add` */
export async function addKey(
  context: CommandContext,
  { fromStdin, id, print }: AddKeyCommandOptions,
): Promise<ExitCode | undefined> {
  if ([fromStdin, id, print].filter(Boolean).length > 1)
    throw argumentError('--from-stdin, --id and --print exclude one another.')
  const { output, signal } = context
  if (print) return printKey(output)
  const key = fromStdin ? new TextDecoder().decode(await readStandardInput()) : undefined
  const added = await (await context.vault()).keys.add({ key, keyId: id, signal })
  if (output.json) await output.document(added)
  else await output.write(`${added.id}\n`)
  output.note(
    printable(
      added.added
        ? `${output.style('green', '✓')} Added the key ${added.id}: it is in ${added.place}, and seals nothing yet.`
        : `The vault knew the key ${added.id} already; it is in ${added.place}.`,
    ),
  )
  output.note(
    'Every process that uses this vault must find it there: copy it to other machines, restart what has its keys from the environment. Then: toolgrant keys rotate',
  )
  return undefined
}

/** For a place that somebody else fills. */
async function printKey(output: Output): Promise<undefined> {
  const key = generateKey()
  const { id } = SealingKey.parse(key)
  if (output.json) await output.document({ id, key })
  else await output.write(`${key}\n`)
  output.note(
    `This is the key ${id}. Nothing keeps it but you: put it where the vault looks for its keys, then`,
  )
  output.note(`run: toolgrant keys add --id ${id}`)
}

/** Options of {@link rotateKeys}. */
export interface RotateKeysOptions {
  to?: string
  /** Rows a second. */
  pace?: number
}

/** `toolgrant keys rotate` */
export async function rotateKeys(
  context: CommandContext,
  { to, pace }: RotateKeysOptions,
): Promise<ExitCode | undefined> {
  const { output, signal } = context
  const vault = await context.vaultToChange()
  const onProgress = progressOn(output)
  const rotated = await vault.keys.rotate({ keyId: to, rowsPerSecond: pace, onProgress, signal })
  if (output.json) await output.document(rotated)
  const { id, before, resealed, older, unopened } = rotated
  const seals = before === undefined ? `The key ${id} seals` : `The key ${id} seals now, instead of ${before}`
  output.note(
    `${output.style('green', '✓')} ${seals}; ${resealed === 1 ? '1 connection was' : `${resealed} connections were`} sealed anew.`,
  )
  for (const note of nextSteps(older)) output.note(note)
  for (const row of unopened.slice(0, 10))
    output.warn(
      `The connection ${row.id} (${row.provider}, tenant ${row.tenant}) cannot be opened (${row.code}); it names the key ${row.keyId}.`,
    )
  if (unopened.length === 0) return undefined
  output.warn(`${unopened.length} connections stay under the older key. See docs/vault.md, "Key loss".`)
  return exitCodes.vault
}

/** A line now and then: a rotation may take minutes. */
function progressOn(output: Output): (progress: RotationProgress) => void {
  let toldAt = performance.now()
  return (progress) => {
    if (performance.now() - toldAt < 2000) return
    toldAt = performance.now()
    output.record({ progress })
    output.note(`${progress.resealed} of about ${progress.total} connections …`)
  }
}

function nextSteps(older: RotatedKeys['older']): string[] {
  const unused = older.filter(({ connections, others }) => connections + others === 0)
  const used = older.filter(({ connections, others }) => connections + others > 0)
  return [
    ...unused.map(
      ({ id }) => `In a minute, when no process writes with it any more: toolgrant keys retire ${id}`,
    ),
    ...used.map(
      ({ id, connections, others }) =>
        `The key ${id} still seals ${connections} connections and ${others} pending authorizations or other values.`,
    ),
  ]
}

/** Options of {@link retireKey}. */
export interface RetireKeyOptions {
  deleteKey?: boolean
  /** Do not ask before the key itself is deleted. */
  yes?: boolean
}

/** A key file is one for all vaults of its folder: what another of them sealed with the key would be lost. */
async function mayDelete(context: CommandContext, id: string): Promise<boolean> {
  if (!context.interactive)
    throw argumentError(
      'Other vaults may use the same key (all vaults of a data folder share its vault.key), and backups need it: without it they cannot be opened any more. If none does, add --yes.',
    )
  const { confirmKeyDeletion } = await import('../prompts.ts')
  return confirmKeyDeletion(context, id)
}

/** `toolgrant keys retire <id>` */
export async function retireKey(
  context: CommandContext,
  { deleteKey = false, yes = false }: RetireKeyOptions,
  id = '',
): Promise<ExitCode | undefined> {
  const { output, signal } = context
  if (deleteKey && !yes && !(await mayDelete(context, id))) {
    output.note('Nothing was changed.')
    return undefined
  }
  const done = await (await context.vaultToChange()).keys.retire(id, { deleteKey, signal })
  if (output.json) await output.document(done)
  if (done.retired)
    output.note(`${output.style('green', '✓')} Retired the key ${id}: nothing here is sealed with it.`)
  for (const place of done.deletedFrom) output.note(printable(`Deleted it from ${place}.`))
  const remedy = deleteKey ? 'take it out there by hand' : `toolgrant keys retire ${id} --delete-key`
  for (const place of done.leftIn)
    output.note(
      printable(
        place === 'TOOLGRANT_KEY'
          ? 'It is still in TOOLGRANT_KEY: backups made before need it. When there are none, take it out of that variable.'
          : `It is still in ${place}: backups made before need it. When there are none, and no other vault uses it: ${remedy}`,
      ),
    )
  return undefined
}
