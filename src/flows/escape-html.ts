// Text made safe for HTML, between tags and inside quoted attributes.
// https://html.spec.whatwg.org/multipage/syntax.html#character-references

/** Makes text safe inside an HTML element or a quoted attribute. */
export function escapeHtml(text: string): string {
  return text.replace(/[&<>"'`]/g, (character) => `&#${character.charCodeAt(0)};`)
}
