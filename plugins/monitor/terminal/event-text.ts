/** An event of a run as lines for people. */
import type { EventLine } from '../../runs/mod.ts'
import { type Line, type Style, wrapped } from './cells.ts'

/** `width`: digits of the largest step; `columns`: cells of a line. A long text takes several lines. */
export function eventLines(event: EventLine, width: number, columns: number): Line[] {
  const { text, style } = said(event)
  const texts = wrapped(text, columns - width - 3, MOST_ROWS)
  return (texts.length === 0 ? [''] : texts).map((one, i) => [
    { text: ` ${(i === 0 ? String(event.step) : '').padStart(width)}  `, style: 'dim' },
    { text: one, style },
  ])
}

// ---- helpers ----------------------------------------------------------------------------------------------------

/** Of one event. */
const MOST_ROWS = 3

interface Said {
  readonly text: string
  readonly style?: Style | undefined
}

const SEVERITIES: Readonly<Record<string, Style>> = { warning: 'yellow', critical: 'red' }

function said(event: EventLine): Said {
  const { type, text, severity, loss, best, path, action, ok, reason, value, message } = event
  switch (type) {
    case 'eval':
      return {
        text: `evaluation: loss ${fixed(loss)}${best === true ? ' (best)' : ''}`,
        style: best === true ? 'green' : undefined,
      }
    case 'save':
      return { text: `saved ${String(path ?? '')}` }
    case 'control': {
      const what = `${String(action ?? '').replaceAll('_', ' ')}${typeof value === 'number' ? ` ${value}` : ''}`
      return ok === true
        ? { text: `done: ${what}`, style: 'green' }
        : { text: `refused: ${what}: ${String(reason ?? '')}`, style: 'yellow' }
    }
    case 'alert':
    case 'advice':
      return { text: `${type}: ${String(text ?? '')}`, style: SEVERITIES[String(severity)] }
    case 'error':
      return { text: `error: ${String(message ?? '')}`, style: 'red' }
    case 'start':
      return { text: 'started' }
    case 'end':
      return { text: 'ended', style: 'green' }
    default:
      return { text: String(text ?? type) }
  }
}

function fixed(value: unknown): string {
  return typeof value === 'number' ? value.toFixed(4) : '–'
}
