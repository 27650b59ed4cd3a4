/** The signature of an export, cut from a source file that oxfmt has formatted. Not a parser: it reads indentation. */

/** `line` is where the declaration starts, from 1. */
export function signatureOf(source: string, line: number, kind: string): string {
  const lines = source.split('\n').slice(line - 1)
  if (kind === 'function') return functionHead(lines)
  if (kind === 'variable') return constantHead(lines)
  const whole = block(lines)
  return kind === 'class' ? withoutBodies(whole) : whole.join('\n')
}

/** To the brace that opens the body, without it. An overload has none. */
function functionHead(lines: readonly string[]): string {
  const end = lines.findIndex(
    (text, at) =>
      (at === 0 || /^[)}>]/.test(text)) &&
      (text.endsWith(' {') || /^.*[^{(,]$/.test(text)) &&
      closes(lines, at),
  )
  return lines
    .slice(0, end + 1)
    .join('\n')
    .replace(/ \{$/, '')
}

/** Whether all round brackets are closed after line `at`. */
function closes(lines: readonly string[], at: number): boolean {
  const text = lines.slice(0, at + 1).join('\n')
  return text.split('(').length === text.split(')').length
}

/** The name and type; a short value too. */
function constantHead(lines: readonly string[]): string {
  const whole = block(lines).join('\n')
  if (!whole.includes('\n') && whole.length <= 110) return whole
  // A type over several lines stays whole.
  const [head] = whole.split(/ = /)
  return `${head} = …`
}

/** From the first line to the one that ends the statement at its indentation. */
function block(lines: readonly string[]): string[] {
  // Blank lines stand between the members of a class.
  const end = lines.findIndex((text, at) => at > 0 && text !== '' && !/^[ )\]}>|&]/.test(text))
  const found = lines.slice(0, end < 0 ? lines.length : end)
  while (found.at(-1) === '') found.pop()
  return found
}

/** The members of a class with their comments; what is private and the bodies of methods are left out. */
function withoutBodies(lines: readonly string[]): string {
  const kept: string[] = []
  let inBody = false
  for (const text of lines) {
    if (inBody) inBody = text !== '  }'
    else if (/^ {2}(#|private |readonly #)/.test(text)) inBody = text.endsWith(' {')
    else if (/^ {2}\S.*\{$/.test(text) && text.includes(')')) {
      kept.push(text.replace(/ \{$/, ''))
      inBody = true
    } else kept.push(text)
  }
  return kept
    .join('\n')
    .replace(/\n{3,}/g, '\n\n')
    .replace(/\{\n\n/g, '{\n')
    .replace(/\n\n\}$/, '\n}')
}
