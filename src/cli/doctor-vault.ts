// The vault, as `toolgrant doctor` looks at it: from outside first, so that nothing is made or migrated; then opened.
import type { Vault, VaultKey, VaultPlace, VaultSurvey } from '../vault/index.ts'
import type { CommandContext } from './context.ts'
import type { Finding, VaultSection } from './doctor-report.ts'
import { exitCodes } from './exit-code.ts'
import { explain, shellWord } from './explanation.ts'
import { bytesText, spanOfClock } from './time-text.ts'

/** What was found of the vault. */
export interface ExaminedVault {
  section: VaultSection
  survey?: VaultSurvey
  findings: readonly Finding[]
}

/** Looks at the vault. Its troubles are findings, not errors. */
export async function examineVault(context: CommandContext): Promise<ExaminedVault> {
  const { lookAtVault } = await import('../vault/index.ts')
  let place: VaultPlace
  try {
    place = await lookAtVault({ url: await context.vaultUrl() })
  } catch (error) {
    return { section: { opened: false }, findings: [trouble(error)] }
  }
  const around = placeFindings(place)
  const { kind, exists, schema = 0, knownSchema = 0 } = place
  // Versions of toolgrant may share a database; whether this one still may, the look has found out.
  const fits = schema === knownSchema || (kind === 'postgres' && schema > knownSchema)
  if (!exists || !fits) return { section: { place, opened: false }, findings: [...around, notOpened(place)] }
  try {
    const inside = await examineOpened(await context.vault())
    return {
      section: { place, opened: true, ...inside.section },
      survey: inside.survey,
      findings: [...around, ...inside.findings],
    }
  } catch (error) {
    return { section: { place, opened: false }, findings: [...around, trouble(error)] }
  }
}

/** An error in the form of a finding. */
export function trouble(error: unknown, about = 'vault'): Finding {
  const { code, message, next, exitCode } = explain(error)
  return { severity: 'error', code, about, text: message, exitCode, ...(next === undefined ? {} : { next }) }
}

function notOpened(place: VaultPlace): Finding {
  const { kind, exists, schema = 0, knownSchema = 0 } = place
  if (kind === 'memory')
    return info('vault_absent', 'A vault in memory ends with each command: name a file or a database.')
  if (!exists) return info('vault_absent', 'There is no vault yet: the first toolgrant connect makes one.')
  if (schema > knownSchema)
    return {
      ...{ severity: 'error', code: 'store_newer', about: 'vault', exitCode: exitCodes.vault },
      text: `A newer toolgrant wrote this vault (schema ${schema}; this one knows ${knownSchema}).`,
      next: 'Update toolgrant.',
    }
  return {
    ...{ severity: 'warning', code: 'schema_older', about: 'vault' },
    text: `The vault has schema ${schema}, and this toolgrant knows ${knownSchema}: any other command brings it up to date. It was not opened.`,
    next: 'Back it up first, if an older toolgrant is to use it again.',
  }
}

const megabyte = 1_000_000

function placeFindings({ file }: VaultPlace): Finding[] {
  if (file === undefined) return []
  const found: Finding[] = []
  const { path, mode, folderMode, own, freeBytes, walBytes } = file
  const posix = process.platform !== 'win32'
  if (posix && !mode.endsWith('00'))
    found.push(
      warning(
        'file_mode',
        `Other users of this machine can use the vault file (mode ${mode}).`,
        `chmod 600 ${shellWord(path)}`,
      ),
    )
  if (posix && /[2367]$|[2367].$/.test(folderMode))
    found.push(
      warning(
        'file_mode',
        `Other users can replace the vault file: its folder has mode ${folderMode}.`,
        'Take the right to write from them (chmod go-w), or move the vault.',
      ),
    )
  if (!own)
    found.push(
      warning('file_owner', 'The vault file belongs to another user.', 'Run toolgrant as that user.'),
    )
  if (freeBytes < 10 * megabyte)
    found.push({
      ...{ severity: 'error', code: 'disk_low', about: 'vault', exitCode: exitCodes.vault },
      text: `Its disk has ${bytesText(freeBytes)} left: a refreshed token could not be saved.`,
      next: 'Free space.',
    })
  else if (freeBytes < 200 * megabyte)
    found.push(warning('disk_low', `Its disk has ${bytesText(freeBytes)} left.`, 'Free space.'))
  if (walBytes > 100 * megabyte)
    found.push(
      warning(
        'wal_large',
        `The write-ahead log has ${bytesText(walBytes)}: a process that reads without an end keeps it from being folded in.`,
        'Look for a process that hangs with the vault open.',
      ),
    )
  return found
}

/** From so much on, in milliseconds, a clock is wrong enough to matter. */
export const tolerableClockMs = 60_000

async function examineOpened(vault: Vault) {
  const survey = await vault.survey()
  const keys = await vault.keys.list()
  const { clockOffsetMs, connections } = survey
  const findings = [...keyFindings(keys)]
  if (Math.abs(clockOffsetMs) >= tolerableClockMs)
    findings.push(
      warning(
        'clock_off',
        `The store's clock is ${spanOfClock(clockOffsetMs)} this machine's.`,
        'Set the clocks, and let them be kept right (NTP).',
      ),
    )
  if (connections.overdue > 0)
    findings.push(
      warning(
        'overdue',
        `${countText(connections.overdue, 'connection')} should have been renewed more than an hour ago: no scheduler seems to run, and idle grants may end.`,
        'toolgrant refresh --watch',
      ),
    )
  return { section: { clockOffsetMs, keys, connections }, survey, findings }
}

function keyFindings(keys: readonly VaultKey[]): Finding[] {
  const sealingSince = keys.find(({ primary }) => primary)?.createdAt ?? new Date(0)
  return keys.flatMap(({ id, primary, createdAt, place, why, connections, others }): Finding[] => {
    const use = connections + others
    if (place === undefined && (primary || use > 0))
      return [
        {
          ...{ severity: 'error', code: 'key_missing', about: 'vault', exitCode: exitCodes.vault },
          text: `The key ${id}, which seals ${countText(connections, 'connection')}, was not found.${why === undefined ? '' : ` ${why}`}`,
          next: 'Bring it back: set TOOLGRANT_KEY, restore the key file, unlock the keychain.',
        },
      ]
    if (primary) return []
    if (use === 0 && createdAt > sealingSince)
      return [
        { ...info('key_waiting', `The newer key ${id} seals nothing yet.`), next: 'toolgrant keys rotate' },
      ]
    const rest = use === 0 ? 'seals nothing any more' : `still seals ${countText(connections, 'connection')}`
    const next = use === 0 ? `toolgrant keys retire ${id}` : 'toolgrant keys rotate'
    return [{ ...info('key_older', `The older key ${id} ${rest}.`), next }]
  })
}

function warning(code: string, text: string, next: string): Finding {
  return { severity: 'warning', code, about: 'vault', text, next }
}

function info(code: string, text: string): Finding {
  return { severity: 'info', code, about: 'vault', text }
}

/** `1 connection`, `3 connections`. */
export function countText(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`
}
