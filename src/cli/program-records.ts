// The part of the program about leaving and arriving, and about what was done: export, import, audit.
import { type Command, InvalidArgumentError, Option } from 'commander'
import { type Act, collect, example, positive } from './command-parts.ts'

/** `toolgrant export` and `toolgrant import` */
export function addLeaving(program: Command, act: Act): void {
  const bundle = program
    .command('export')
    .description('put connections, with their tokens, into one encrypted file')
    .requiredOption('--out <file>', 'the file; you alone can read it')
    .option('--user <id>', 'only the connections of this user (default: of everybody)')
    .option('--provider <id>', 'only those of this provider')
    .option('--move', 'delete them here once the file is safe; nothing is revoked')
    .option('--force', 'replace a file that is there')
    .addHelpText(
      'after',
      example('toolgrant export --move --out mine.bundle', 'toolgrant export --user ada --out ada.bundle'),
    )
    .action(act(async () => (await import('./commands/export.ts')).exportBundle))
  const source = program
    .command('import <file>')
    .description('bring connections in: a bundle of export, JSON, or the folder of guMCP or mcp-remote')
    .addOption(
      new Option('--from <kind>', 'what it is (default: found out)').choices([
        'bundle',
        'gumcp',
        'mcp-remote',
        'json',
      ]),
    )
    .option('--user <id>', 'only the connections of this user there')
    .option('--as <id>', 'whose they become here (default: whose they are there)')
    .option('--provider <id>', 'only those of this provider; may be repeated', collect)
    .option('--replace', 'take the place of other connections at the same addresses')
    .option('--dry-run', 'say what would happen, and change nothing')
    .addHelpText('after', example('toolgrant import mine.bundle', 'toolgrant import ~/.mcp-auth --dry-run'))
    .action(act(async () => (await import('./commands/import.ts')).importSource))
  for (const command of [bundle, source])
    command.option(
      '--passphrase-stdin',
      'read the passphrase from standard input (else TOOLGRANT_PASSPHRASE, else you are asked)',
    )
}

/** `toolgrant audit …` */
export function addAudit(program: Command, act: Act): void {
  const audit = program
    .command('audit')
    .description('read the audit log, and check whether somebody tampered with it')
    .addHelpText('after', example('toolgrant audit', 'toolgrant audit verify'))
  const list = audit
    .command('list', { isDefault: true })
    .description('list the newest lines, the newest last: who used or changed which connection')
    .option('--limit <number>', 'how many', positive, 100)
    .addHelpText('after', example('toolgrant audit --user ada --since 24h', 'toolgrant audit list --json'))
    .action(act(async () => (await import('./commands/audit.ts')).listAudit))
  audit
    .command('verify')
    .description('check every line: ends with 1, and names the lines, when one is not as it was written')
    .option('--expect <head>', 'the log must still have this head, as audit head printed it', head)
    .addHelpText(
      'after',
      `
A log whose end was cut off is found only against a head that was kept elsewhere.
${example('toolgrant audit verify --expect "$(cat head.txt)"')}`,
    )
    .action(act(async () => (await import('./commands/audit.ts')).verifyAudit))
  audit
    .command('head')
    .description('print where the log ends: keep it somewhere else')
    .addHelpText('after', example('toolgrant audit head > /elsewhere/head.txt'))
    .action(act(async () => (await import('./commands/audit.ts')).auditHead))
  const all = audit
    .command('export')
    .description('print all lines, from the first on, as JSON lines')
    .addHelpText('after', example('toolgrant audit export --since 2026-01-01 > january.jsonl'))
    .action(act(async () => (await import('./commands/audit.ts')).exportAudit))
  for (const command of [list, all])
    command
      .option('--user <id>', 'only lines about this user')
      .option('--provider <id>', 'only lines about this provider')
      .option('--tool <name>', 'only calls of this tool')
      .option('--since <time>', 'not before: 2026-01-31, 2026-01-31T12:00:00Z, or 90m, 24h, 7d ago', since)
}

const unitMs: Readonly<Record<string, number>> = { m: 60_000, h: 3_600_000, d: 86_400_000 }

function since(text: string): Date {
  const [, count, unit = ''] = /^(\d{1,6})([mhd])$/.exec(text) ?? []
  if (count !== undefined) return new Date(Date.now() - Number(count) * (unitMs[unit] ?? 0))
  const ms = /^\d{4}-\d\d-\d\d/.test(text) ? Date.parse(text) : Number.NaN
  if (!Number.isNaN(ms)) return new Date(ms)
  throw new InvalidArgumentError('It must be a date, a time such as 2026-01-31T12:00:00Z, or 90m, 24h, 7d.')
}

function head(text: string): { seq: number; hash: string } {
  const [, seq = '', hash = ''] = /^(\d{1,15}):([0-9a-f]{64})?$/.exec(text.trim()) ?? []
  if (seq !== '' && (hash === '') === (Number(seq) === 0)) return { seq: Number(seq), hash }
  throw new InvalidArgumentError(
    'It must be what toolgrant audit head printed: a number, a colon, 64 digits.',
  )
}
