// For everybody: with a keyboard alone, on a narrow screen, in dark and light, without a network, and as axe sees it.

import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { expect, test as base } from '../fixtures.ts';
import { Playground } from './playground.ts';

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

const test = base.extend<{ playground: Playground }>({
  playground: async ({ page, address }, use) => {
    await use(await new Playground(page, address).open());
  },
});

/** Serious and critical findings of axe, in words. */
async function findings({ page }: Playground): Promise<string[]> {
  await page.evaluate(AXE);
  return page.evaluate(async () => {
    const { axe } = globalThis as unknown as { axe: { run(): Promise<{ violations: Violation[] }> } };
    interface Violation {
      id: string;
      impact: string;
      help: string;
      nodes: { target: unknown; failureSummary: string }[];
    }
    const { violations } = await axe.run();
    const grave = violations.filter(({ impact }) => impact === 'serious' || impact === 'critical');
    return grave.flatMap(({ id, help, nodes }) => nodes.map((node) => `${id}: ${help}: ${JSON.stringify(node.target)}: ${node.failureSummary}`));
  });
}

/** What fades in has its colours only when it is there, so axe looks until it is content. */
async function isClean(playground: Playground): Promise<void> {
  await expect.poll(() => findings(playground)).toEqual([]);
}

async function everyPanel(playground: Playground, shots: string): Promise<void> {
  await isClean(playground);
  await playground.makeVolume();
  await playground.addAndClone();
  await playground.overwriteLine(3, '#####');
  await isClean(playground);
  await playground.shot(`${shots}-blocks`);
  await playground.panel('Overwrite');
  await playground.button('Run to the end').click();
  await expect(playground.step('log')).toContainText('into the log');
  await isClean(playground);
  await playground.shot(`${shots}-overwrite`);
  await playground.panel('Pull the plug');
  await playground.button(/^Rehearse with/).click();
  await playground.button(/^Cut here after 1 /).click();
  await expect(playground.page.locator('.outcome')).toContainText('check clean');
  await isClean(playground);
  await playground.shot(`${shots}-plug`);
  await playground.check();
  await isClean(playground);
  await playground.button('New').click();
  await expect(playground.page.getByRole('dialog', { name: 'New volume' })).toBeVisible();
  await isClean(playground);
}

test('axe finds nothing serious in light colours', async ({ playground, page }) => {
  await page.emulateMedia({ colorScheme: 'light', reducedMotion: 'reduce' });
  await everyPanel(playground, 'light');
});

test('axe finds nothing serious in dark colours', async ({ playground, page }) => {
  await page.emulateMedia({ colorScheme: 'dark', reducedMotion: 'reduce' });
  await everyPanel(playground, 'dark');
});

test('a screen of 360 pixels has all of it', async ({ playground, page }) => {
  await page.setViewportSize({ width: 360, height: 740 });
  const fits = async () => {
    const { inside, outside } = await page.evaluate(() => ({ inside: document.documentElement.scrollWidth, outside: innerWidth }));
    expect(inside).toBeLessThanOrEqual(outside);
  };
  await fits();
  await playground.shot('narrow-1-empty');
  await playground.button('Make a 64 MiB volume').click();
  await expect(page.getByRole('tab', { name: 'Files' })).toHaveAttribute('aria-selected', 'true');
  await page.getByRole('tab', { name: 'Volumes' }).click();
  await playground.button('Add a sample and clone it').click();
  await expect(page.getByRole('tab', { name: 'File', exact: true })).toHaveAttribute('aria-selected', 'true');
  await playground.overwriteLine(3, '#####');
  await fits();
  await playground.shot('narrow-2-file');
  await page.getByRole('tab', { name: 'Inspect' }).click();
  await expect(playground.sharing).toContainText('1 waiting in memory');
  await fits();
  await isClean(playground);
  await playground.shot('narrow-3-blocks');
  await playground.panel('Overwrite');
  await playground.button('Run to the end').click();
  await expect(playground.step('log')).toContainText('into the log');
  await fits();
  await playground.shot('narrow-4-overwrite');
  await page.getByRole('tab', { name: 'Files' }).click();
  await expect(playground.item('/sample clone.txt')).toBeVisible();
  await fits();
  await playground.shot('narrow-5-files');
});

test('a keyboard is enough', async ({ playground, page }) => {
  const { keyboard } = page;
  const name = (dialog: string) => page.locator(dialog).getByRole('textbox', { name: 'Name' });
  await playground.button('New').focus();
  await keyboard.press('Enter');
  await expect(page.getByRole('dialog', { name: 'New volume' })).toBeVisible();
  await expect(name('xfs-new-volume')).toBeFocused();
  await keyboard.press('ControlOrMeta+a');
  await keyboard.type('keys');
  await keyboard.press('Enter');
  await expect(page.getByTestId('used')).toBeVisible();

  await playground.button(/^Add$/).focus();
  await keyboard.press('Enter');
  await expect(page.getByRole('menuitem', { name: 'New file' })).toBeFocused();
  await keyboard.press('Enter');
  await expect(page.getByRole('dialog', { name: 'New file' })).toBeVisible();
  await expect(name('xfs-question')).toBeFocused();
  await keyboard.press('ControlOrMeta+a');
  await keyboard.type('typed.txt');
  await keyboard.press('Enter');
  await expect(playground.item('/typed.txt')).toBeVisible();

  // A dialog that closes gives the focus back to where it was.
  await expect(playground.button(/^Add$/)).toBeFocused();
  await playground.editor.focus();
  await keyboard.type('by hand');
  await keyboard.press('ControlOrMeta+s');
  await expect(page.getByTestId('file-state')).toHaveText('in memory');

  await playground.item('/typed.txt').focus();
  await keyboard.press('F2');
  await expect(name('xfs-question')).toBeFocused();
  await keyboard.press('ControlOrMeta+a');
  await keyboard.type('renamed.txt');
  await keyboard.press('Enter');
  await expect(playground.item('/renamed.txt')).toBeFocused();
  await keyboard.press('Delete');
  await expect(playground.item('/renamed.txt')).toHaveCount(0);
  await playground.button('Put renamed.txt back').focus();
  await keyboard.press('Enter');
  await expect(playground.item('/renamed.txt')).toBeVisible();
  await playground.item('/renamed.txt').focus();
  await keyboard.press('Enter');
  await expect(playground.editor).toContainText('by hand');
});

test('it opens without a network once it was loaded', async ({ playground, page, context }) => {
  await expect(page.getByTestId('offline')).toBeVisible();
  await context.setOffline(true);
  await page.reload();
  await playground.makeVolume();
  await playground.addAndClone();
  await context.setOffline(false);
});
