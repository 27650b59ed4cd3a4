/** A text inside of HTML: no character of it is markup, and control characters do nothing. */

/** `<b>` → `&#60;b&#62;` */
export function escaped(text: string): string {
  return text
    .replace(/[^\P{Cc}\t\n\r]/gu, '\ufffd')
    .replace(/[&<>"'`]/g, (character) => `&#${character.codePointAt(0)};`)
}
