// Files and folders between the volume and the person's machine, and one volume in two tabs.

import { spawnSync } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test as base } from '../fixtures.ts';
import { Playground } from './playground.ts';

const test = base.extend<{ playground: Playground; folder: string }>({
  playground: async ({ page, address }, use) => {
    await use(await new Playground(page, address).open());
  },
  folder: async ({}, use) => {
    const folder = await mkdtemp(join(tmpdir(), 'xfskit-playground-'));
    await use(folder);
    await rm(folder, { recursive: true, force: true });
  },
});

/** Bytes that are no text: hex is what shows them. */
const BYTES = Uint8Array.from({ length: 3_000_000 }, (_, i) => (i * 7 + (i >> 8)) & 0xff);

test('a file is dropped in, shown in hex, downloaded and dragged out', async ({ playground, page, folder }) => {
  const path = join(folder, 'noise.bin');
  await writeFile(path, BYTES);
  await playground.makeVolume();
  await playground.drop(page.locator('.tree-pane'), path);
  await playground.item('/noise.bin').click();
  await expect(playground.editor).toContainText('00000000  00 07 0e 15');
  await playground.button('Next').click();
  await expect(playground.editor).toContainText('00010000  ');
  await expect(playground.sharing).toContainText('0 shared, 733 its own');

  await playground.button('More for the selected').click();
  const event = page.waitForEvent('download');
  await page.getByRole('menuitem', { name: 'Download' }).click();
  const download = await event;
  expect(download.suggestedFilename()).toBe('noise.bin');
  await download.saveAs(join(folder, 'back.bin'));
  expect(Buffer.compare(await readFile(join(folder, 'back.bin')), BYTES)).toBe(0);

  // What a drag carries is read when the pointer goes down, so it is there a moment later.
  const item = playground.item('/noise.bin');
  await item.dispatchEvent('pointerdown', { pointerType: 'mouse' });
  const carried = () =>
    item.evaluate(async (element) => {
      const dataTransfer = new DataTransfer();
      element.dispatchEvent(new DragEvent('dragstart', { dataTransfer, bubbles: true, composed: true }));
      const [, name, ...address] = dataTransfer.getData('DownloadURL').split(':');
      if (address.length === 0) return undefined;
      return { name, size: (await (await fetch(address.join(':'))).arrayBuffer()).byteLength };
    });
  await expect.poll(carried).toEqual({ name: 'noise.bin', size: BYTES.length });
});

test('a folder is added and leaves again as an archive', async ({ playground, page, folder }) => {
  const source = join(folder, 'project');
  await mkdir(join(source, 'src'), { recursive: true });
  await writeFile(join(source, 'readme.txt'), 'read me\n');
  await writeFile(join(source, 'src', 'main.txt'), 'main\n');
  await playground.makeVolume();
  await playground.button(/^Add$/).click();
  const chooser = page.waitForEvent('filechooser');
  await page.getByRole('menuitem', { name: 'A folder from this computer' }).click();
  await (await chooser).setFiles(source);
  await expect(playground.item('/project')).toBeVisible();
  await playground.item('/project').focus();
  await page.keyboard.press('ArrowRight');
  await expect(playground.item('/project/src')).toBeVisible();
  await playground.item('/project/readme.txt').click();
  await expect(playground.editor).toContainText('read me');

  // Its name: in the middle of an open folder lies what is in it.
  await playground.item('/project').locator('> .tree-name').click();
  await playground.button('More for the selected').click();
  const event = page.waitForEvent('download');
  await page.getByRole('menuitem', { name: 'Download as tar' }).click();
  const archive = join(folder, 'project.tar');
  await (await event).saveAs(archive);
  const names = spawnSync('tar', ['-tf', archive], { encoding: 'utf8' }).stdout.split('\n');
  expect(names).toContain('src/main.txt');

  // And in again, beside the first.
  await playground.item('/project').focus();
  await page.keyboard.press('Delete');
  await expect(playground.item('/project')).toHaveCount(0);
  await playground.button(/^Add$/).click();
  const archives = page.waitForEvent('filechooser');
  await page.getByRole('menuitem', { name: 'Unpack a tar archive' }).click();
  await (await archives).setFiles(archive);
  await expect(playground.item('/project')).toBeVisible();
  await playground.check();
});

test('a second tab may look, and changes nothing', async ({ playground, context, address }) => {
  await playground.makeVolume();
  await playground.addAndClone();
  const other = await new Playground(await context.newPage(), address).open();
  await other.button(/^first/).click();
  await expect(other.page.getByRole('dialog', { name: 'first is open elsewhere' })).toBeVisible();
  await other.button('Open to look').click();
  await expect(other.page.getByText('Read-only:')).toBeVisible();
  await other.item('/sample.txt').click();
  await expect(other.editor).toContainText('00000');
  await expect(other.sharing).toContainText('16 shared, 0 its own');
  await expect(other.button('Save')).toHaveCount(0);
  await expect(other.button(/^Add$/)).toBeDisabled();
});

test('what takes long can be cancelled, and leaves nothing half done', async ({ playground, page, folder }) => {
  const path = join(folder, 'long.bin');
  await writeFile(path, BYTES);
  await playground.makeVolume();
  // The second piece of the file comes when it is let go.
  await page.evaluate(() => {
    const slice = File.prototype.slice;
    const gate = new Promise<void>((resolve) => Object.assign(globalThis, { letGo: resolve }));
    File.prototype.slice = function (this: File, from, to, type) {
      const piece = slice.call(this, from, to, type);
      return from ? Object.assign(piece, { arrayBuffer: () => gate.then(() => Blob.prototype.arrayBuffer.call(piece)) }) : piece;
    };
  });
  // Nobody waits for the end of this: there is none before it is let go.
  await playground.drop(page.locator('.tree-pane'), path);
  const progress = page.getByRole('progressbar', { name: /^Adding 1 file/ });
  await expect(progress).toHaveAttribute('aria-valuenow', /^3[45]/);
  await playground.button('Cancel').click();
  await page.evaluate(() => (globalThis as unknown as { letGo(): void }).letGo());
  await expect(progress).toHaveCount(0);
  await expect(page.getByText('Empty. Drop files')).toBeVisible();
  await playground.addAndClone();
  await playground.check();
});
