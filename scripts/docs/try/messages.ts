/** What the page that trains and its worker say to each other. */

/** To the worker. */
export type Order =
  | {
      readonly type: 'start'
      readonly steps: number
      /** 0: as many as the machine has. */
      readonly threads: number
    }
  /** After the step that runs. */
  | { readonly type: 'stop' }

/** What the model makes of the text that it is not trained on, and of the prompt. */
export interface Sight {
  readonly perplexity: number
  readonly tokens: number
  readonly prompt: string
  readonly text: string
}

/** From the worker. */
export type News =
  | { readonly type: 'loading'; readonly text: string }
  | {
      readonly type: 'ready'
      readonly device: string
      readonly parameters: number
      readonly trained: number
      readonly steps: number
    }
  | { readonly type: 'sight'; readonly when: 'before' | 'after'; readonly sight: Sight }
  | {
      readonly type: 'step'
      readonly step: number
      readonly steps: number
      readonly loss: number
      readonly tokensPerSecond: number
    }
  | { readonly type: 'done'; readonly steps: number; readonly left: number }
  | { readonly type: 'failed'; readonly message: string; readonly remedy: string | null }
