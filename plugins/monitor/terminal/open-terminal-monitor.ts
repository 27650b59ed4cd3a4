/**
 * Watches runs in a terminal: draws the screen whenever something is new, and takes keys. It reads the folders of runs, and asks by control.jsonl.
 */
import { TrituneError } from '../../../core/mod.ts'
import {
  isUnfinished,
  type ListedRun,
  listRuns,
  type RunChange,
  sendControl,
  watchRun,
} from '../../runs/mod.ts'
import { painted } from './cells.ts'
import { createAskedRun } from './asked-run.ts'
import { createDialogue, type Key } from './dialogue.ts'
import { drawScreen, type ScreenSize } from './draw-screen.ts'
import { nextWatched, type WatchedRun } from './watched-run.ts'

/** Told of what a person types. */
export interface KeyListener {
  onKey(key: Key): void
  /** There are no keys any more. */
  onEnd(): void
}

/** A terminal: where keys come from, and where the screen goes. */
export interface Terminal {
  /** Takes the keys one by one, until it is disposed. */
  listen(listener: KeyListener): Disposable
  readonly colour: boolean
  write(text: string): void
  size(): ScreenSize
  /** Calls back when the size has changed, until it is disposed. */
  onResize(changed: () => void): Disposable
}

/** Options of `openTerminalMonitor()`. */
export interface TerminalMonitorOptions {
  /** Folders that are looked through for runs. */
  readonly roots: readonly string[]
  readonly terminal: Terminal
}

/** A monitor that is open. */
export interface TerminalMonitor extends Disposable {
  /** Fulfilled when the person leaves. */
  readonly left: Promise<void>
}

const OPEN = '\u001b[?1049h\u001b[?25l'
const CLOSE = '\u001b[?25h\u001b[?1049l'
/** The terminal shows what stands between as a whole. */
const [TOGETHER, SHOWN] = ['\u001b[?2026h\u001b[H', '\u001b[?2026l']
const LOOK_EVERY_MS = 2000

/** Takes over the terminal until it is disposed. Throws E_FILE for a folder that cannot be read. */
export function openTerminalMonitor({ roots, terminal }: TerminalMonitorOptions): TerminalMonitor {
  const left = Promise.withResolvers<void>()
  const dialogue = createDialogue()
  const asked = createAskedRun(dialogue)
  let runs: readonly ListedRun[] = listRuns(roots)
  let folder: string | null = null
  // The newest run there was when a run was chosen; a later one is told of.
  let newestThen: string | null = null
  let isChosen = false
  let watched: WatchedRun | null = null
  let watch: Disposable | null = null
  let shown = ''

  /** A run that began since; null: none. */
  const newer = (): ListedRun | null => {
    const [newest] = runs
    return newest === undefined || newest.folder === folder || newest.folder === newestThen ? null : newest
  }

  const draw = (): void => {
    const at = runs.findIndex((run) => run.folder === folder) + 1
    const size = terminal.size()
    const footer = { at, of: runs.length, newer: newer()?.run.run_name ?? null, prompt: dialogue.prompt }
    const lines = drawScreen(watched, size, footer)
    const text = lines.map((line) => painted(line, terminal.colour)).join('\r\n')
    if (text === shown) return
    shown = text
    terminal.write(`${TOGETHER}${text}${SHOWN}`)
  }

  const show = (next: string): void => {
    watch?.[Symbol.dispose]()
    watch = null
    watched = null
    folder = next
    newestThen = runs[0]?.folder ?? null
    isChosen = next !== newestThen
    asked.forget()
    const failed = (error: unknown): void => {
      dialogue.tell(error instanceof Error ? error.message.split('\n')[0] : String(error))
      if (watched === null) folder = null
      draw()
    }
    try {
      watch = watchRun(
        next,
        (change: RunChange) => {
          watched = nextWatched(watched, change)
          asked.onChange(change)
          draw()
        },
        { onError: failed },
      )
    } catch (error) {
      failed(error)
    }
  }

  /** Runs that began meanwhile. */
  const look = (): void => {
    try {
      runs = listRuns(roots)
    } catch (error) {
      if (!(error instanceof TrituneError)) throw error
      dialogue.tell(error.message.split('\n')[0])
    }
    const isOver = watched !== null && !isUnfinished(watched.run)
    const next = folder === null ? runs[0] : isOver && !isChosen && !dialogue.isAsking ? newer() : null
    if (next) show(next.folder)
    draw()
  }

  const onKey = (key: Key): void => {
    const wish = dialogue.onKey(key, {
      paused: watched?.run.status === 'paused',
      baseRate: watched?.run.base_learning_rate ?? null,
    })
    if (wish?.kind === 'leave') left.resolve()
    else if (wish?.kind === 'other-run' && runs.length > 0) {
      const at = runs.findIndex((run) => run.folder === folder)
      show(runs[(at + wish.by + runs.length) % runs.length].folder)
    } else if (wish?.kind === 'newest-run' && runs.length > 0) show(runs[0].folder)
    else if (wish?.kind === 'ask' && folder !== null) {
      try {
        asked.onAsked(sendControl(folder, wish.control), wish.control)
      } catch (error) {
        if (!(error instanceof TrituneError)) throw error
        dialogue.tell(error.message.split('\n')[0])
      }
    }
    draw()
  }

  const keys = terminal.listen({ onKey, onEnd: left.resolve })
  terminal.write(OPEN)
  const timer = setInterval(look, LOOK_EVERY_MS)
  const resized = terminal.onResize(() => {
    shown = ''
    draw()
  })
  look()
  return {
    left: left.promise,
    [Symbol.dispose]() {
      clearInterval(timer)
      resized[Symbol.dispose]()
      watch?.[Symbol.dispose]()
      keys[Symbol.dispose]()
      terminal.write(CLOSE)
    },
  }
}
