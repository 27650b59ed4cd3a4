/** An event of a run as a coloured line after its step. */
import { type EventLine, eventText } from '../../runs/mod.ts'
import { type Line, plainLine, type Style } from './cells.ts'

/** `width`: digits of the largest step. */
export function eventLine(event: EventLine, width: number): Line {
  return [
    { text: `${String(event.step).padStart(width)}  `, style: 'dim' },
    { text: plainLine(eventText(event)), style: styleOf(event) },
  ]
}

// ---- helpers ----------------------------------------------------------------------------------------------------

const SEVERITIES: Readonly<Record<string, Style>> = { warning: 'yellow', critical: 'red' }

function styleOf({ type, severity, best, ok }: EventLine): Style | undefined {
  switch (type) {
    case 'eval':
      return best === true ? 'green' : undefined
    case 'control':
      return ok === true ? 'green' : 'yellow'
    case 'alert':
    case 'advice':
      return SEVERITIES[String(severity)]
    case 'error':
      return 'red'
    case 'end':
      return 'green'
    default:
      return undefined
  }
}
