/** Lets messages, timers and the page have their turn. */

const immediate = (globalThis as { setImmediate?: (callback: () => void) => void }).setImmediate;

let channel: MessageChannel | undefined;
const waiting: (() => void)[] = [];

export function nextTurn(): Promise<void> {
  return new Promise((resolve) => {
    if (immediate !== undefined) {
      immediate(resolve);
      return;
    }
    if (channel === undefined) {
      channel = new MessageChannel();
      channel.port1.onmessage = () => waiting.shift()?.();
    }
    waiting.push(resolve);
    channel.port2.postMessage(0);
  });
}
