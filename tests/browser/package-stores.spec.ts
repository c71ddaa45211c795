// The stores of the package when something goes wrong: workers that die, a quota that is reached, power that goes.

import type { Page } from '@playwright/test';
import type * as Package from '../../wasm/package/src/index.ts';
import { expect, test } from './fixtures.ts';

const MIB = 1024 * 1024;

async function open(page: Page, address: string): Promise<void> {
  await page.goto(`${address}/pages/empty.html`);
  await page.evaluate(async () => {
    const url = '/npm/dist/index.js';
    Object.assign(window, { xfskit: await import(url) });
  });
}

declare const xfskit: typeof Package;

for (const store of ['opfs', 'indexeddb'] as const) {
  test(`a worker that dies takes what waits with it, and what was durable stays: ${store}`, async ({ page, address }) => {
    await open(page, address);
    const outcome = await page.evaluate(
      async ({ store, size }) => {
        const { Volume } = xfskit;
        const codes = new Set<string | undefined>();
        let lost = 0;
        for (let round = 0; round < 10; round++) {
          let worker: Worker | undefined;
          const start = () => (worker = new Worker('/npm/dist/worker.js', { type: 'module' }));
          // The lock of a worker that was ended is let go of a moment later.
          const open = (): Promise<Package.Volume> =>
            Volume.open({ store, name: 'dying', create: { size }, worker: start }).catch((error: { code: string }) => {
              if (error.code === 'EBUSY') return open();
              throw error;
            });
          const volume = await open();
          for (let earlier = 0; earlier < round; earlier++) {
            const text = await volume.promises.readFile(`/durable-${earlier}`, 'utf8').catch(() => '');
            if (text !== `round ${earlier}`) lost += 1;
          }
          if ((await volume.check()).summary.damage > 0) lost += 1000;
          await volume.promises.writeFile(`/durable-${round}`, `round ${round}`, { flush: true });
          const pending = Array.from({ length: 20 }, (_, i) =>
            volume.promises.writeFile(`/pending-${round}-${i}`, new Uint8Array(100_000 * (i + 1)), { flush: i % 2 === 0 }),
          );
          const settled = Promise.allSettled(pending);
          // Somewhere in the middle: after as many of them as there were rounds.
          await Promise.allSettled(pending.slice(0, round));
          worker?.terminate();
          worker?.dispatchEvent(new ErrorEvent('error', { message: 'ended by the test' }));
          for (const one of await settled) if (one.status === 'rejected') codes.add(one.reason.code);
          await volume.promises.readdir('/').catch((error: { code: string }) => codes.add(error.code));
        }
        return { codes: [...codes], lost };
      },
      { store, size: 256 * MIB },
    );
    expect(outcome).toEqual({ codes: ['EIO'], lost: 0 });
  });
}

test('at the quota writing fails with ENOSPC, reading goes on, and what was durable is there', async ({ page, context, address }) => {
  await open(page, address);
  const session = await context.newCDPSession(page);
  await session.send('Storage.overrideQuotaForOrigin', { origin: address, quotaSize: 128 * MIB });
  const before = await page.evaluate(
    async ({ size, mib }) => {
      const volume = await xfskit.Volume.open({ store: 'opfs', name: 'full', create: { size } });
      let written = 0;
      let code: string | undefined;
      while (code === undefined && written < 200) {
        await volume.promises.writeFile(`/${written}`, new Uint8Array(mib).fill(written), { flush: true }).then(
          () => (written += 1),
          (error: { code: string }) => (code = error.code),
        );
      }
      const first = await volume.promises.readFile('/0');
      // Full as it is, files can be deleted, the one first whose data waits for room, and the volume closed and opened.
      await volume.promises.rm(`/${written}`, { force: true });
      for (let i = 0; i < 3; i++) await volume.promises.rm(`/${written - 1 - i}`);
      written -= 3;
      await volume.close();
      const again = await xfskit.Volume.open({ store: 'opfs', name: 'full' });
      await again.promises.rm(`/${(written -= 1)}`);
      await again.close();
      return { written, code, first: first.length };
    },
    { size: 1024 * MIB, mib: MIB },
  );
  expect(before.code).toBe('ENOSPC');
  expect(before.written).toBeGreaterThan(5);
  expect(before.first).toBe(MIB);
  await session.send('Storage.overrideQuotaForOrigin', { origin: address });
  const after = await page.evaluate(async (written) => {
    const volume = await xfskit.Volume.open({ store: 'opfs', name: 'full' });
    let intact = 0;
    for (let i = 0; i < written; i++) if ((await volume.promises.readFile(`/${i}`)).every((byte) => byte === i)) intact += 1;
    const { findings } = await volume.check();
    await volume.promises.writeFile('/more', 'there is room again', { flush: true });
    await volume.close();
    return { intact, findings };
  }, before.written);
  expect(after).toEqual({ intact: before.written, findings: [] });
});

test('power can be cut between any two writes, and the volume comes back', async ({ page, address }) => {
  await open(page, address);
  const rounds = await page.evaluate(async (size) => {
    const volume = await xfskit.Volume.open({ store: 'memory', create: { size } });
    const fs = volume.promises;
    await fs.writeFile('/original', new Uint8Array(65536).fill(1), { flush: true });
    const overwrite = async () => {
      const handle = await fs.open('/clone', 'r+');
      await handle.write(new Uint8Array(65536).fill(2), 0, 65536, 0);
      await handle.sync();
      await handle.close();
    };
    const prepare = async () => {
      await fs.rm('/clone', { force: true });
      await volume.clone('/original', '/clone');
      await volume.sync();
    };
    await prepare();
    await volume.pipeline.record();
    await overwrite();
    const events = await volume.pipeline.events();
    const seen = [];
    for (let cut = 0; cut <= events.length; cut++) {
      await prepare();
      await volume.pipeline.cutAfter(cut);
      const failed = await overwrite().then(() => false, () => true);
      await volume.pipeline.reopen();
      const clone = await fs.readFile('/clone');
      const original = await fs.readFile('/original');
      const is = (bytes: Uint8Array, value: number) => bytes.length === 65536 && bytes.every((byte) => byte === value);
      seen.push({ failed, old: is(clone, 1), new: is(clone, 2), original: is(original, 1), damage: (await volume.check()).summary.damage });
    }
    await volume.close();
    return seen;
  }, 64 * MIB);
  expect(rounds.length).toBeGreaterThan(2);
  for (const round of rounds) {
    expect(round.original && round.old !== round.new && round.damage === 0).toBe(true);
    if (!round.failed) expect(round.new).toBe(true);
  }
  expect(rounds[0]).toMatchObject({ failed: true, old: true });
  expect(rounds.at(-1)).toMatchObject({ failed: false, new: true });
});
