/**
 * Parts a text that grows into what the model says and the tools that it calls. What turns out to be no call is given as text.
 */
import { watchForStops } from '../../generate/mod.ts'
import { hermes } from './hermes.ts'
import { llama } from './llama.ts'
import { mistral } from './mistral.ts'
import type { Tool, ToolCall, ToolFormat } from './tool-format.ts'

const FORMATS: readonly ToolFormat[] = [hermes, mistral, llama]

/** The way that the template of a model teaches; null: none that is known here. */
export function toolFormatOf(template: string | undefined): ToolFormat | null {
  return template === undefined ? null : (FORMATS.find((format) => format.isIn(template)) ?? null)
}

/** What there is at the end of a text. */
export interface ToolEnd {
  /** Text that was held back. */
  readonly text: string
  readonly calls: readonly ToolCall[]
}

export interface ToolWatch {
  /** What is text for sure. */
  push(text: string): string
  end(): ToolEnd
}

export function watchForTools(format: ToolFormat, tools: readonly Tool[]): ToolWatch {
  const watch = watchForStops(format.markers)
  /** All of a text that opens as a call does, or whose opening is not there yet; null: it opens otherwise. */
  let whole: string | null = format.opening === null ? null : ''
  const end = (call: string, marker: string): ToolEnd => {
    const calls = format.parse(call.trim(), tools)
    return calls === null ? { text: marker + call, calls: [] } : { text: '', calls }
  }
  return {
    push(text) {
      if (whole === null) return watch.push(text)
      whole += text
      const begun = whole.trimStart()
      if (format.opening === null || begun === '' || begun.startsWith(format.opening)) return ''
      const held = whole
      whole = null
      return watch.push(held)
    },
    end() {
      if (whole !== null) return end(whole, '')
      return watch.found === null ? { text: watch.end(), calls: [] } : end(watch.after, watch.found)
    },
  }
}
