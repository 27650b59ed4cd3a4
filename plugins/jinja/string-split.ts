/** `split`, `rsplit`, `splitlines`, `partition`: texts into lists, as Python cuts them. */
import { bind, optionalInt, positional, requireText } from './arguments.ts'
import { templateError } from './errors.ts'
import { truth } from './iterate.ts'
import { isSpace } from './text.ts'
import { type Call, Tuple, type Value } from './values.ts'

export type Wrap = (text: string) => Value

export function splitMethod(text: string, name: string, wrap: Wrap): Call | undefined {
  switch (name) {
    case 'split':
    case 'rsplit':
      return (run, args, kwargs) => {
        const [separator, maxsplit] = bind(name, ['sep', 'maxsplit'], args, kwargs)
        const limit = optionalInt('maxsplit', maxsplit) ?? -1
        const most = limit < 0 ? Infinity : limit
        run.charge(text.length)
        const parts =
          separator === undefined || separator === null
            ? words(text, most, name === 'rsplit')
            : pieces(text, requireText('sep', separator), most, name === 'rsplit')
        run.chargeItems(parts.length)
        return parts.map(wrap)
      }
    case 'splitlines':
      return (run, args, kwargs) => {
        const [keepEnds = false] = bind('splitlines', ['keepends'], args, kwargs)
        run.charge(text.length)
        return splitLines(text, truth(keepEnds)).map(wrap)
      }
    case 'partition':
    case 'rpartition':
      return (run, args, kwargs) => {
        const separator = requireText('sep', positional(name, 1, 1, args, kwargs)[0])
        if (separator === '') throw templateError('empty separator')
        run.charge(text.length)
        const at = name === 'partition' ? text.indexOf(separator) : text.lastIndexOf(separator)
        if (at < 0) return new Tuple((name === 'partition' ? [text, '', ''] : ['', '', text]).map(wrap))
        return new Tuple([text.slice(0, at), separator, text.slice(at + separator.length)].map(wrap))
      }
    default:
      return undefined
  }
}

function pieces(text: string, separator: string, most: number, fromRight: boolean): string[] {
  if (separator === '') throw templateError('empty separator')
  const all = text.split(separator)
  if (all.length - 1 <= most) return all
  if (fromRight) {
    const cut = all.length - most
    return [all.slice(0, cut).join(separator), ...all.slice(cut)]
  }
  return [...all.slice(0, most), all.slice(most).join(separator)]
}

/** At runs of white space, with none at the ends; what is left after the last cut keeps its white space. */
function words(text: string, most: number, fromRight: boolean): string[] {
  const found: { start: number; end: number }[] = []
  let start = -1
  for (let i = 0; i <= text.length; i++) {
    const isEnd = i === text.length || isSpace(text[i])
    if (!isEnd && start < 0) start = i
    if (!isEnd || start < 0) continue
    found.push({ start, end: i })
    start = -1
  }
  const all = found.map((word) => text.slice(word.start, word.end))
  if (found.length <= most) return all
  if (!fromRight) return [...all.slice(0, most), text.slice(found[most].start)]
  const cut = found.length - most
  return [text.slice(0, found[cut - 1].end), ...all.slice(cut)]
}

const LINE_ENDS = '\n\r\v\f\x1C\x1D\x1E\x85\u2028\u2029'

export function splitLines(text: string, keepEnds: boolean = false): string[] {
  const lines: string[] = []
  let start = 0
  for (let i = 0; i < text.length; i++) {
    if (!LINE_ENDS.includes(text[i])) continue
    const end = text[i] === '\r' && text[i + 1] === '\n' ? i + 2 : i + 1
    lines.push(text.slice(start, keepEnds ? end : i))
    start = end
    i = end - 1
  }
  if (start < text.length) lines.push(text.slice(start))
  return lines
}
