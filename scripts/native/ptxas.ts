/**
 * Reads what ptxas says with -v: per kernel and GPU the registers, the local memory and the shared memory.
 *
 * Local memory is a stack in global memory: of spilled registers, or of an array that is indexed at run time. In a kernel
 * that is meant to be fast both are mistakes.
 */

export interface KernelUse {
  /** Mangled name. */
  readonly name: string
  /** `sm_90a` */
  readonly gpu: string
  readonly registers: number
  /** Bytes a block has statically. */
  readonly shared: number
  /** Bytes of a thread. */
  readonly stack: number
  readonly spills: number
}

export interface PtxasReport {
  readonly kernels: readonly KernelUse[]
  /** Every line that is not part of the statistics: warnings. */
  readonly others: string
}

/** `log`: stderr of nvcc with -Xptxas=-v. Throws when the statistics of a kernel are not complete. */
export function parsePtxas(log: string): PtxasReport {
  const kernels: KernelUse[] = []
  const others: string[] = []
  let open: { name: string; gpu: string; stack?: number; spills?: number } | null = null
  // Functions that were not inlined are described too, by name only; then the numbers are not the kernel's.
  let of = ''
  for (const line of log.split('\n')) {
    const entry = /Compiling entry function '([^']+)' for '([^']+)'/.exec(line)
    const properties = /Function properties for (\S+)/.exec(line)
    const frame = /(\d+) bytes stack frame, (\d+) bytes spill stores, (\d+) bytes spill loads/.exec(line)
    const used = /Used (\d+) registers/.exec(line)
    if (entry) {
      if (open) throw new Error(`ptxas did not finish the statistics of ${open.name}`)
      open = { name: entry[1], gpu: entry[2] }
    } else if (properties) of = properties[1]
    else if (frame) {
      const [stack, stores, loads] = frame.slice(1).map(Number)
      if (open?.name === of) {
        open.stack = stack
        open.spills = stores + loads
      }
    } else if (used) {
      if (open?.stack === undefined || open.spills === undefined)
        throw new Error(`ptxas says "${line.trim()}" of no kernel`)
      const { name, gpu, stack, spills } = open
      const shared = Number(/(\d+) bytes smem/.exec(line)?.[1] ?? 0)
      kernels.push({ name, gpu, registers: Number(used[1]), shared, stack, spills })
      open = null
    } else if (line.trim() !== '' && !/^ptxas info\s+: (?:\d+ bytes gmem|Compile time)/.test(line))
      others.push(line)
  }
  if (open) throw new Error(`ptxas did not finish the statistics of ${open.name}`)
  return { kernels, others: others.join('\n') }
}

/** Kernels that use local memory, one line each. */
export function spillProblems(kernels: readonly KernelUse[]): string[] {
  return kernels
    .filter(({ stack, spills }) => stack > 0 || spills > 0)
    .map(({ name, gpu, stack, spills, registers }) => {
      return `${name} for ${gpu}: ${stack} bytes of stack, ${spills} bytes spilled, ${registers} registers`
    })
}
