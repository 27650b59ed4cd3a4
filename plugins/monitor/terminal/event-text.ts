/** An event of a run as a line for people. */
import type { EventLine } from '../../runs/mod.ts'
import { type Line, plainLine, type Style } from './cells.ts'

/** `width`: digits of the largest step. */
export function eventLine(event: EventLine, width: number): Line {
  const { text, style } = said(event)
  return [
    { text: `${String(event.step).padStart(width)}  `, style: 'dim' },
    { text: plainLine(text), style },
  ]
}

// ---- helpers ----------------------------------------------------------------------------------------------------

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
        ? { text: `asked: ${what}`, style: 'green' }
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
