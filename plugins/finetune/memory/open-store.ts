/**
 * What the stores of activations are to a run: opened before the first step, closed after the last one.
 */
import type { ActivationStore } from '../../../core/mod.ts'

export interface OpenStore extends ActivationStore, Disposable {}
