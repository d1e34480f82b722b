// The part of the program that operates a vault: its keys, and whatever else is not about one connection.
import type { Command } from 'commander'
import { type Act, example, positive, withAddress } from './command-parts.ts'

/** `toolgrant keys …` */
export function addKeys(program: Command, act: Act): void {
  const keys = program
    .command('keys')
    .description('list, add, change and retire the keys that the vault is sealed with')
    .addHelpText('after', example('toolgrant keys', 'toolgrant keys add'))
  keys
    .command('list', { isDefault: true })
    .description('list the keys: which seals, where each is, how much it seals; no secrets')
    .addHelpText('after', example('toolgrant keys list', 'toolgrant keys list --json'))
    .action(act(async () => (await import('./commands/keys.ts')).listKeys))
  keys
    .command('add')
    .description(
      'make a key, keep it beside the present one, and make it known to the vault; it seals nothing yet',
    )
    .option('--from-stdin', 'read the key from standard input instead of making one')
    .option('--id <id>', 'take a key that is in its place already, such as a further one of TOOLGRANT_KEY')
    .option('--print', 'make a key and print it, alone, on stdout; the vault does not get to know it')
    .addHelpText('after', example('toolgrant keys add', 'toolgrant keys add --from-stdin < new.key'))
    .action(act(async () => (await import('./commands/keys.ts')).addKey))
  keys
    .command('rotate')
    .description('let the newest key seal, and seal everything anew with it while the vault serves')
    .option('--to <id>', 'the key that is to seal (default: the newest)')
    .option(
      '--pace <rows>',
      'at most so many rows a second (default: as fast as the store takes them)',
      positive,
    )
    .addHelpText(
      'after',
      `
It can be stopped at any point; run it again to go on.
${example('toolgrant keys rotate', 'toolgrant keys rotate --pace 500')}`,
    )
    .action(act(async () => (await import('./commands/keys.ts')).rotateKeys))
  keys
    .command('retire <id>')
    .description('forget a key that seals nothing any more')
    .option('--delete-key', 'also delete the key itself from its place; older backups cannot be opened then')
    .option('--yes', 'with --delete-key: do not ask; needed where there is no terminal')
    .addHelpText(
      'after',
      `
Other vaults may use the same key: all vaults of a data folder share its vault.key.
${example('toolgrant keys retire 0f1e2d3c4b5a6978')}`,
    )
    .action(act(async () => (await import('./commands/keys.ts')).retireKey))
}

/** `toolgrant refresh`: what is due, once or from now on. */
export function addRefresh(program: Command, act: Act): void {
  withAddress(program.command('refresh [provider]'))
    .description('renew what is due, over all users; with a provider: that connection')
    .option('--force', 'with a provider: also when the token is fresh, or failures ask for a pause')
    .option('--watch', 'go on: sleep until something is due, renew it; prints a line an event')
    .addHelpText(
      'after',
      `
Any number of them, in any number of processes and machines on one vault, share the work.
${example('toolgrant refresh', 'toolgrant refresh --watch', 'toolgrant refresh github --force')}`,
    )
    .action(act(async () => (await import('./commands/refresh.ts')).refresh))
}

/** `toolgrant doctor`: looks, and changes nothing. */
export function addDoctor(program: Command, act: Act): void {
  withAddress(program.command('doctor [provider]'))
    .description('say what is wrong, why, and what to do: with everything, or with one connection')
    .option('--offline', 'ask no provider anything')
    .option('--no-probe', 'read what providers publish, and ask nothing else of them')
    .option('--provider <id>', 'how its answers differ from the RFCs, as a provider row to paste')
    .addHelpText(
      'after',
      `
Instead of a provider it takes the id of a connection. It changes nothing, and sends no secret.
${example('toolgrant doctor', 'toolgrant doctor slack --account work', 'toolgrant doctor --provider acme', 'toolgrant doctor --offline --json')}`,
    )
    .action(act(async () => (await import('./commands/doctor.ts')).doctor))
}

/** `toolgrant forget`: a person leaves. */
export function addForget(program: Command, act: Act): void {
  program
    .command('forget <user>')
    .description('end all connections of a user, at every provider, and drop what else is kept of them')
    .option('--yes', 'do not ask; needed where there is no terminal')
    .addHelpText(
      'after',
      `
All is deleted here, whatever a provider says. Ends with 4 when one did not take a revocation, or a grant still works.
${example('toolgrant forget ada', 'toolgrant forget ada --yes --json')}`,
    )
    .action(act(async () => (await import('./commands/forget.ts')).forget))
}
