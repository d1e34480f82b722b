// Quirks of a provider that carry a value: `name:value` tags of the facts dataset.
// Each tag is read in one place; this finds it.
import type { Provider } from '../providers/index.ts'

/** The value of the first quirk `name:value`, or `undefined`. */
export function quirkValue(provider: Provider, name: string): string | undefined {
  const tag = provider.quirks?.find((quirk) => quirk.startsWith(`${name}:`))
  return tag?.slice(name.length + 1)
}

/** Whether a provider has the quirk, with a value or without. */
export function hasQuirk(provider: Provider, name: string): boolean {
  return provider.quirks?.some((quirk) => quirk === name || quirk.startsWith(`${name}:`)) === true
}
