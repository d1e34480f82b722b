// `toolgrant connect --device`: the code, the address and a QR code for the person, then waiting. RFC 8628 section 3.3.
import { device, type FlowRequest, type StartedDeviceFlow } from '../flows/index.ts'
import type { TokenSet } from '../oauth/index.ts'
import type { CommandContext } from './context.ts'
import { printable } from './output.ts'
import { qrCodeLines } from './qr-code.ts'
import { whileSpinning } from './spinner.ts'

/** Gets consent by device code. Everything for the person goes to stderr. `qr`: absent, where the terminal has room. */
export async function consentByDevice(
  context: CommandContext,
  request: FlowRequest,
  qr: boolean | undefined,
): Promise<StartedDeviceFlow> {
  const started = await device({ onEvent: () => {} }).start({ ...request, signal: context.signal })
  await tellCode(context, started, qr)
  await whileSpinning(context.output, 'Waiting for the person …', (): Promise<TokenSet> => started.result())
  return started
}

async function tellCode(
  { output }: CommandContext,
  started: StartedDeviceFlow,
  qr: boolean | undefined,
): Promise<void> {
  const { userCode, verificationUri, verificationUriComplete, expiresAt } = started
  const minutes = Math.max(1, Math.round((expiresAt.getTime() - Date.now()) / 60_000))
  const code = output.style('bold', printable(userCode))
  const address = output.style('underline', printable(verificationUri))
  output.note(
    `On any device, within ${minutes === 1 ? 'a minute' : `${minutes} minutes`}, open\n\n  ${address}\n\nand type the code\n\n  ${code}\n`,
  )
  output.record({
    authorize: {
      url: started.url,
      userCode,
      verificationUri,
      ...(verificationUriComplete === undefined ? {} : { verificationUriComplete }),
      expiresAt: expiresAt.toISOString(),
    },
  })
  if (qr === false || output.json) return
  const lines = await qrCodeLines(output, started.url, qr === true)
  if (lines.length > 0) output.note(`${lines.join('\n')}\n`)
}
