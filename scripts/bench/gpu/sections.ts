/**
 * The sections of the GPU benchmark in the order in which they run: what is known after five minutes must be what matters
 * most. First whether the machine and the engines work at all, then whether every op and a training run are right, then
 * how fast a training step is, then what explains it.
 */

export interface Section {
  readonly name: string
  /** Each is a process of its own; most sections are one. */
  readonly steps: readonly Step[]
}

export interface Step {
  readonly name: string
  /** Seconds that it may take; one that hangs is ended. */
  readonly limit: number
}

const alone = (name: string, limit: number): Section => ({ name, steps: [{ name, limit }] })

export const SECTIONS: readonly Section[] = [
  alone('environment', 60),
  {
    name: 'first-contact',
    steps: [
      { name: 'engines', limit: 40 },
      // A mistake in its barriers hangs the GPU, so it is alone.
      { name: 'wgmma-once', limit: 30 },
      { name: 'bad-index', limit: 30 },
      { name: 'after-bad-index', limit: 30 },
      { name: 'memory', limit: 40 },
    ],
  },
  alone('ops', 120),
  alone('losses', 120),
  alone('end-to-end', 180),
  alone('sanitizer', 240),
  alone('attention', 120),
  alone('gemm', 120),
  alone('cross-entropy', 100),
  alone('streams', 100),
  alone('lora', 60),
  alone('packed', 90),
  alone('wgmma', 90),
  alone('vsa', 60),
]

export const SECTION_NAMES: readonly string[] = SECTIONS.map(({ name }) => name)
