// The ids of the catalogue, so that an editor completes them. `catalog.ts` must have exactly these rows.

/** A provider that the catalogue knows. */
export type ProviderId =
  | 'discord'
  | 'dropbox'
  | 'github'
  | 'google'
  | 'hubspot'
  | 'linear'
  | 'microsoft'
  | 'notion'
  | 'slack'
  | 'spotify'
  | 'x'
  | 'zoom'
