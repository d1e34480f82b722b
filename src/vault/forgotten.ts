// Who was forgotten lately: a mark that a consent looks at after it was saved, so that one that was under way while its
// person was forgotten cannot bring them back. A named value of the store, without a name in it.
import { fingerprint } from '../seal.ts'
import type { Store } from './store.ts'

const metaName = 'forgotten'

/** How long a mark is kept, in milliseconds: longer than any exchange of a code takes. */
const keptMs = 60 * 60_000

/**
 * Whose a pending authorization is, and who was forgotten. Not a secret: it only keeps names out of where they are not
 * needed.
 */
export function personKey(tenant: string, user: string): string {
  return fingerprint(JSON.stringify(['person', tenant, user]))
}

/** Who was forgotten lately, by person: another text each time. */
export type ForgottenMarks = Readonly<Record<string, { mark: string; at: number }>>

/** Who was forgotten lately. Another mark for a person than before: they were forgotten in between. */
export async function forgottenMarks(store: Store): Promise<ForgottenMarks> {
  const value = await store.getMeta(metaName)
  return value === undefined ? {} : parse(value)
}

/** Marks a person as forgotten from now on. */
export async function markForgotten(store: Store, person: string): Promise<void> {
  for (;;) {
    const before = await store.getMeta(metaName)
    const now = store.now()
    const kept = Object.entries(before === undefined ? {} : parse(before)).filter(
      ([, { at }]) => now - at < keptMs,
    )
    const marks: ForgottenMarks = {
      ...Object.fromEntries(kept),
      [person]: { mark: globalThis.crypto.randomUUID(), at: now },
    }
    const value = new TextEncoder().encode(JSON.stringify(marks))
    const written =
      before === undefined
        ? await store.putMetaIfAbsent(metaName, value)
        : await store.replaceMeta(metaName, before, value)
    if (written) return
  }
}

function parse(value: Uint8Array): ForgottenMarks {
  return JSON.parse(new TextDecoder().decode(value))
}
