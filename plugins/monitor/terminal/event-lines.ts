/** An event of a run as coloured lines after its step. */
import { type EventLine, eventText } from '../../runs/mod.ts'
import { type Line, type Style, wrapped } from './cells.ts'

/** `width`: digits of the largest step; `columns`: cells of a line. A long text takes several lines. */
export function eventLines(event: EventLine, width: number, columns: number): Line[] {
  const style = styleOf(event)
  const texts = wrapped(eventText(event), columns - width - 3, MOST_ROWS)
  return (texts.length === 0 ? [''] : texts).map((one, i) => [
    { text: ` ${(i === 0 ? String(event.step) : '').padStart(width)}  `, style: 'dim' },
    { text: one, style },
  ])
}

// ---- helpers ----------------------------------------------------------------------------------------------------

/** Of one event. */
const MOST_ROWS = 3

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
