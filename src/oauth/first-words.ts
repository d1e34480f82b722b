// The beginning of an answer's body, for answers of which no more is wanted.
// A peer that never ends its answer must not hold anything up (RFC 9110 section 15.5.9 in spirit).

const longestText = 65_536

/** At most 64 KiB of a body as text. One that is cut off counts as far as it came; the signal of the request ends it. */
export async function firstWords(response: Response): Promise<string> {
  const reader = response.body?.getReader()
  if (reader === undefined) return ''
  const decoder = new TextDecoder()
  let text = ''
  try {
    while (text.length < longestText) {
      const { done, value } = await reader.read()
      if (done) break
      text += decoder.decode(value, { stream: true })
    }
  } catch {
    // What arrived is enough.
  }
  reader.cancel().catch(() => {})
  return text.slice(0, longestText)
}
