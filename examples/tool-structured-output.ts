// A type without a function: shown to each vendor for structured output, and read back typed.
import { ToolInputError } from 'toolgrant'
import { objectType } from 'toolgrant/tools'
import { z } from 'zod'

const invoice = objectType({
  name: 'invoice',
  description: 'An invoice, as far as it can be read.',
  schema: z.object({
    number: z.string(),
    due: z.date(),
    lines: z.array(z.object({ text: z.string(), cents: z.int() })),
  }),
})

// Chat Completions: response_format. Also openaiTextFormat(), anthropicOutputFormat() and geminiOutputConfig().
console.log(JSON.stringify(invoice.openaiResponseFormat(), null, 2))

const answer = '{"number":"2026-7","due":"2026-02-01","lines":[{"text":"Tea","cents":300}]}'
const { due, lines } = await invoice.parse(answer) // due is a Date, lines[0].cents a number
console.log(due.getUTCFullYear(), lines[0]?.cents)

try {
  await invoice.parse('{"number":"2026-8","due":"soon","lines":[{"text":"Tea","cents":"300","vat":7}]}')
} catch (error) {
  if (!(error instanceof ToolInputError)) throw error
  for (const { path, message } of error.issues) console.log(`${path.join('.')}: ${message}`)
}
