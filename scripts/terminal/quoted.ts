/**
 * Texts in commands that a person is told to type.
 */

/** As a shell reads it: `$'…'` where there are line breaks or quotes. Shells of Windows know double quotes only, and no line breaks. */
export function quoted(text: string, platform: string = process.platform): string {
  if (/^[\w@%+=:,./-]+$/.test(text)) return text
  if (platform === 'win32') return quotedOnWindows(text)
  if (!/[\n'\\]/.test(text)) return `'${text}'`
  return `$'${text.replace(/[\\']/g, '\\$&').replaceAll('\n', '\\n')}'`
}

/** https://learn.microsoft.com/en-us/cpp/c-language/parsing-c-command-line-arguments: backslashes count before a quote only. */
function quotedOnWindows(text: string): string {
  if (/^[\w@+=:,./\\-]+$/.test(text)) return text
  const line = text.replace(/\s*[\r\n]+\s*/g, ' ')
  return `"${line.replace(/(\\*)"/g, String.raw`$1$1\"`).replace(/\\+$/, '$&$&')}"`
}
