/** A text of data as it can be shown: control characters become their pictures, so that they do nothing to a terminal. Line breaks stay. */
export function visible(text: string): string {
  return text.replace(/[\p{Cc}\u202a-\u202e\u2066-\u2069]/gu, (character) => {
    const code = character.codePointAt(0) ?? 0
    if (character === '\n' || character === '\t') return character
    return code < 0x20 ? String.fromCodePoint(0x2400 + code) : code === 0x7f ? '\u2421' : '\u2426'
  })
}
