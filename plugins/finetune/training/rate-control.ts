/**
 * The learning rate as somebody changed it while the run went. It is a factor on the schedule, and state of the run: a resumed run goes on with it.
 */
import { jsonField, type Stateful, TrituneError } from '../../../core/mod.ts'

/** What `learning_rate` of the file is now, and as what part of it. */
export interface RateControl extends Required<Pick<Stateful, 'saveState' | 'loadState'>> {
  /** 1 until somebody changes it. */
  readonly factor: number
  readonly rate: number
  /** From the next step on all is as if the file had said this rate. */
  set(rate: number): void
}

/** Of a run whose file says `learningRate`. */
export function createRateControl(learningRate: number): RateControl {
  let rate = learningRate
  return {
    get rate() {
      return rate
    },
    get factor() {
      return rate === learningRate ? 1 : rate / learningRate
    },
    set(value) {
      rate = value
    },
    saveState: () => ({ rate }),
    loadState(saved) {
      // A checkpoint of before there was this.
      if (saved === null) return
      const value = jsonField(saved, 'rate')
      if (typeof value !== 'number' || !(value > 0))
        throw new TrituneError(
          'E_RESUME',
          `the learning rate of the checkpoint is ${JSON.stringify(value)}`,
          {
            remedy: 'resume from an older checkpoint with resume_from_checkpoint',
          },
        )
      rate = value
    },
  }
}
