// Messages of the library name its functions and options. This says the same in the words of the command line, for the
// codes where explanation.ts knows the next step.

type Rewording = readonly [said: RegExp, instead: string | ((...found: string[]) => string)]

const ourMember: Rewording = [/ the provider's tokenEndpointAuthMethod\./, ' token_endpoint_auth_method.']

/** By code; what is replaced by nothing is said by the next step. Held against the real messages by a test. */
const rewordings: Readonly<Record<string, readonly Rewording[]>> = {
  provider_unknown: [
    [/^The catalogue has no provider/, 'There is no provider'],
    [/ List them with providers\(\)\./, ''],
    [/ Define your own with defineProvider\(\)\./, ''],
  ],
  host_not_allowed: [
    [/ If the token belongs there, add the host to the provider's apiHosts; otherwise use plain fetch\./, ''],
  ],
  timeout: [
    [
      /(\d+) ms(?: \(timeoutMs\))?/,
      (_, ms = '') => (ms === '1000' ? '1 second' : `${Number(ms) / 1000} seconds`),
    ],
    [/ Start again, or allow more time\./, ''],
    [/; try again later\./, '.'],
  ],
  token_request_refused: [ourMember],
  refresh_failed: [ourMember],
  scope_mismatch: [
    [/ \(scopes: "strict"\)/, ' (strict_scopes)'],
    [/ The tokens are in this error's tokens: .*$/, ' Nothing was stored.'],
  ],
  network: [
    [/ Check the URL and the network, then try again later\./, ''],
    [/ ca of certificateFetch/, ' certificate_ca'],
    [/: try again later\. A server/, '. A server'],
  ],
  client_missing: [
    [
      / neither clientSecret nor privateKey, (.*) Set one\.$/,
      ' neither client_secret nor private_key, $1 Set one in its [auth] section.',
    ],
    [
      / the client has no privateKey\. Set it,/,
      ' the client has no private_key. Set it in its [auth] section,',
    ],
    [
      / tokenEndpointAuthMethod (\S+) and no clientSecret\./,
      ' token_endpoint_auth_method "$1" and no client_secret.',
    ],
    [
      / Set the secret, or tokenEndpointAuthMethod: "none" for a public client\./,
      ' Set the secret, or token_endpoint_auth_method = "none" for a public client.',
    ],
  ],
}

/** The message of an error with this code, in the words of the command line. Any other text stays as it is. */
export function inCommandWords(code: string, message: string): string {
  const known = Object.hasOwn(rewordings, code) ? (rewordings[code] ?? []) : []
  return known.reduce(
    (text, [said, instead]) =>
      typeof instead === 'string' ? text.replace(said, instead) : text.replace(said, instead),
    message,
  )
}
