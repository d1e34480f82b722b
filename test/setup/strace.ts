// Which strace the durability check records with. Linux only: no other system has it.
import { accessSync, constants } from 'node:fs'

/** Where packages put it. */
const places = ['/usr/bin/strace', '/usr/local/bin/strace']

/** What to do where there is none. */
export const straceAdvice = `The durability check records a vault's writes with strace, on Linux. Do one of these, then run it again:
  Debian, Ubuntu:  sudo apt-get install strace
  anything else:   install it and set STRACE_PATH to its executable`

/** The path of an installed strace; the environment variable `STRACE_PATH` wins. `undefined` when there is none. */
export function stracePath(): string | undefined {
  const chosen = process.env.STRACE_PATH
  return (chosen ? [chosen] : places).find(isExecutable)
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}
