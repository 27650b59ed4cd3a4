/**
 * What an emulated machine is asked to do and what it answers: the contract of inside.ts and of who starts it.
 */
import type { Isa } from '../../plugins/cpu/mod.ts'

export type Task = 'facts' | 'ops' | 'lora' | 'quickstart'

export interface TaskOptions {
  readonly threads: number
  /** Instruction set of the library; default: the best there is. */
  readonly isa?: Isa
  /** ops: only cases whose names have this in them. */
  readonly only?: string
  /** lora: folders of models. */
  readonly models?: readonly string[]
  /** lora, quickstart. */
  readonly steps?: number
  /** quickstart: tokens of a step. */
  readonly tokens?: number
  /** quickstart: lines of the texts that perplexity is measured on. */
  readonly evaluated?: number
  /** quickstart: a folder to write into. */
  readonly folder?: string
}

export interface Facts {
  readonly platform: string
  /** As the device describes itself. */
  readonly device: string
  /** Hash of the sources of the library. */
  readonly sources: string
}

/** Numbers of every case are in the file next to it, by `tensorName`. */
export interface OpsAnswer {
  readonly facts: Facts
  /** Cases that ran, `name, dtype`. */
  readonly ran: readonly string[]
  /** Cases that gave other bits the second time. */
  readonly different: readonly string[]
  /** Cases that threw: name and message. */
  readonly failed: readonly string[]
}

export interface LoraAnswer {
  readonly facts: Facts
  readonly runs: readonly {
    readonly name: string
    readonly losses: readonly number[]
    /** SHA-256 of the trained weights. */
    readonly weights: string
  }[]
}

export interface QuickstartAnswer {
  readonly facts: Facts
  readonly before: number
  readonly after: number
  readonly losses: readonly number[]
}

export function tensorName(op: string, result: string): string {
  return `${op} · ${result}`
}
