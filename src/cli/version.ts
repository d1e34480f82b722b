// The version, written down so that `toolgrant --version` need not read package.json. A test compares the two.

/** The version of this package, as in package.json. */
export const version = '0.1.0'
