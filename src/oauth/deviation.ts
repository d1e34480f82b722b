// How an answer differed from what the RFCs say, as data: a provider row can be written from it.
// RFC 6749 sections 4.1.2, 5.1 and 5.2.

/** What was different. Each is understood all the same. */
export type DeviationCode =
  /** Not `application/json`, or no content type. */
  | 'content_type'
  /** `application/x-www-form-urlencoded` instead of JSON. */
  | 'form_encoded'
  /** A status other than 200. */
  | 'status'
  /** Bytes around the JSON: a byte order mark, a prefix, a callback. */
  | 'wrapped'
  /** The tokens are inside another member. */
  | 'nested'
  /** A member by another name. */
  | 'renamed'
  /** A member of another type than the RFC's: text for a number, a list for a text. */
  | 'wrong_type'
  /** A required or usual member is missing or `null`. */
  | 'missing'
  /** A token type by another name than `Bearer`. */
  | 'token_type'
  /** Scopes that are not joined by spaces. */
  | 'scope_separator'
  /** The end of the token in another unit or form than seconds from now. */
  | 'lifetime'
  /** Signs of an error beside a good token, such as `error: null`. */
  | 'error_member'
  /** The signature of an id_token could not be checked, or is of a kind that nobody registered. */
  | 'signature'
  /** An id_token that came with a refresh and is not about the same sign-in: the one before it was kept. */
  | 'id_token'

/** One difference. Holds no secret. */
export interface Deviation {
  code: DeviationCode
  /** The standard member it is about (`expires_in`), where there is one. */
  member?: string
  /** What was there instead: a name or a type, never a value. */
  found?: string
  /** The member of a provider row that says so from now on, as `name: value` for `defineProvider`. */
  row?: Readonly<Record<string, unknown>>
}
