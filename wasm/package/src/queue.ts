/**
 * One queue for everything that an engine does. A request takes a place for each of its steps, so long requests and
 * short ones go on side by side; a step is short, and nothing else happens while it runs.
 */
import { codeOf, failure } from './errors.ts';
import { nextTurn } from './turn.ts';

/** What a step needs from the stores. */
export interface Residency {
  /** Fetches what the last `NOT_RESIDENT` missed. */
  fetch(): Promise<void>;
  /** The step went through. */
  settle(): void;
  /** Resolves when there is room for more changes; `undefined` when there is. */
  room(): Promise<void> | undefined;
}

interface Step {
  readonly changes: boolean;
  run(): void;
  reject(error: unknown): void;
}

/** How long steps follow each other before messages and timers get their turn. */
const TURN_MS = 8;
/** A step that is told so often that something is missing has a store that forgets at once. */
const MAX_RETRIES = 10_000;

export class Queue {
  readonly #residency: Residency;
  readonly #steps: Step[] = [];
  /** Steps that change something, put aside while the volume is frozen. */
  readonly #parked: Step[] = [];
  #frozen = 0;
  #running = false;
  #turnStarted = 0;
  #dead: unknown;

  constructor(residency: Residency) {
    this.#residency = residency;
  }

  /** Does `work` when its turn comes. What only looks is done also while the volume is frozen. */
  step<T>(changes: boolean, work: () => T): Promise<T> {
    if (this.#dead !== undefined) return Promise.reject(this.#dead);
    if (this.#isIdle(changes)) {
      try {
        const result = work();
        this.#residency.settle();
        return Promise.resolve(result);
      } catch (error) {
        if (codeOf(error) !== 'NOT_RESIDENT') return Promise.reject(this.#failed(error));
      }
    }
    return new Promise<T>((resolve, reject) => {
      const step = { changes, run: () => resolve(work()), reject };
      if (changes && this.#frozen > 0) this.#parked.push(step);
      else this.#steps.push(step);
      if (!this.#running) void this.#drain();
    });
  }

  /** Nobody waits, nothing is waited for, and others had their turn not long ago: a step can be done at once. */
  #isIdle(changes: boolean): boolean {
    if (this.#running || this.#steps.length > 0 || performance.now() - this.#turnStarted > TURN_MS) return false;
    return !changes || (this.#frozen === 0 && this.#residency.room() === undefined);
  }

  /** A step failed for good; says with what, and if that was the engine itself, nothing goes on. */
  #failed(error: unknown): unknown {
    this.#residency.settle();
    if (codeOf(error) === 'NOT_RESIDENT') return failure('EIO', 'the store forgets what it has just fetched');
    if (error instanceof WebAssembly.RuntimeError) this.kill(crashed(error));
    return this.#dead ?? error;
  }

  /** A message came in: messages are having their turn. */
  turned(): void {
    this.#turnStarted = performance.now();
  }

  get isFrozen(): boolean {
    return this.#frozen > 0;
  }

  /** Until `thaw`, steps that change something wait. */
  freeze(): void {
    this.#frozen += 1;
  }

  thaw(): void {
    this.#frozen -= 1;
    if (this.#frozen > 0) return;
    this.#steps.push(...this.#parked.splice(0));
    if (!this.#running) void this.#drain();
  }

  /** Rejects what waits and all that comes. */
  kill(error: unknown): void {
    this.#dead ??= error;
    for (const step of [...this.#steps.splice(0), ...this.#parked.splice(0)]) step.reject(this.#dead);
  }

  async #drain(): Promise<void> {
    this.#running = true;
    for (let step = this.#steps.shift(); step !== undefined; step = this.#steps.shift()) {
      if (performance.now() - this.#turnStarted > TURN_MS) {
        await nextTurn();
        this.turned();
      }
      if (step.changes && this.#frozen > 0 && this.#dead === undefined) {
        this.#parked.push(step);
        continue;
      }
      await this.#one(step);
    }
    this.#running = false;
  }

  async #one(step: Step): Promise<void> {
    for (let tries = 0; ; tries++) {
      if (this.#dead !== undefined) return step.reject(this.#dead);
      try {
        const room = step.changes ? this.#residency.room() : undefined;
        if (room !== undefined) await room;
        step.run();
        this.#residency.settle();
        return;
      } catch (error) {
        if (codeOf(error) !== 'NOT_RESIDENT' || tries === MAX_RETRIES) return step.reject(this.#failed(error));
      }
      try {
        await this.#residency.fetch();
        this.turned();
      } catch (error) {
        this.#residency.settle();
        return step.reject(error);
      }
    }
  }
}

/** The engine has a bug and stopped in the middle of a step: nothing that it says from here on counts. */
function crashed(cause: unknown): Error {
  return Object.assign(new Error('EIO: i/o error, the engine has stopped', { cause }), { code: 'EIO' });
}
