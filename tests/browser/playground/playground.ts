// The playground as a person uses it.

import { fileURLToPath } from 'node:url';
import type { Download, Locator, Page } from '@playwright/test';
import { expect } from '../fixtures.ts';

const SCREENSHOTS = fileURLToPath(new URL('../../../target/browser/screenshots/', import.meta.url));

export class Playground {
  constructor(readonly page: Page, private readonly address: string) {}

  /** Opens the page and waits until it can be used. */
  async open(): Promise<this> {
    await this.page.goto(`${this.address}/`);
    await expect(this.page.getByRole('heading', { name: 'Volumes' })).toBeVisible();
    return this;
  }

  button(name: string | RegExp): Locator {
    return this.page.getByRole('button', { name });
  }

  /** The first step of the lesson. */
  async makeVolume(): Promise<void> {
    await this.button('Make a 64 MiB volume').click();
    await expect(this.page.getByTestId('used')).toContainText('used');
  }

  /** The second: a text of 16 blocks and its clone, which is open then. */
  async addAndClone(): Promise<void> {
    await this.button('Add a sample and clone it').click();
    await expect(this.sharing).toContainText('16 shared, 0 its own');
  }

  get sharing(): Locator {
    return this.page.getByTestId('sharing');
  }

  get editor(): Locator {
    return this.page.locator('.cm-content');
  }

  item(path: string): Locator {
    return this.page.locator(`wa-tree-item[data-path="${path}"]`);
  }

  cells(look: string): Locator {
    return this.page.locator(`xfs-blocks .cells[role=img] .cell.${look}`);
  }

  step(name: string): Locator {
    return this.page.locator(`[data-step="${name}"]`);
  }

  /** Types over the first five characters of a line that is in view, and saves. */
  async overwriteLine(line: number, text: string): Promise<void> {
    await this.page.locator('.cm-line').nth(line).click();
    await this.page.keyboard.press('Home');
    for (let n = 0; n < text.length; n += 1) await this.page.keyboard.press('Delete');
    await this.page.keyboard.type(text);
    await this.button('Save').click();
    await expect(this.page.getByTestId('file-state')).toHaveText('in memory');
  }

  async panel(name: string): Promise<void> {
    await this.page.getByRole('tab', { name }).click();
  }

  async check(): Promise<void> {
    await this.panel('Check');
    await this.button(/^Check (again|the volume)/).click();
    await expect(this.page.getByTestId('check-result')).toContainText('Clean.');
  }

  /** Drops a file of this machine on an element, as a drag from the desktop does. */
  async drop(target: Locator, file: string): Promise<void> {
    // Through a file input: the bytes get there without being put into a message.
    await this.page.evaluate(() => {
      const input = Object.assign(document.createElement('input'), { type: 'file', id: 'dropped', hidden: true });
      document.body.append(input);
    });
    const input = this.page.locator('#dropped');
    await input.setInputFiles(file);
    await target.evaluate((element) => {
      const input = document.querySelector<HTMLInputElement>('#dropped');
      const data = new DataTransfer();
      const dropped = input?.files?.[0];
      if (!dropped) throw new Error('the input has no file');
      data.items.add(dropped);
      input?.remove();
      element.dispatchEvent(new DragEvent('drop', { dataTransfer: data, bubbles: true, cancelable: true, composed: true }));
    });
  }

  /** Exports the open volume and gives the download. */
  async exportImage(name: string): Promise<Download> {
    await this.button(`More for ${name}`).click();
    const download = this.page.waitForEvent('download');
    await this.page.getByRole('menuitem', { name: 'Export image' }).click();
    return download;
  }

  async shot(name: string): Promise<void> {
    await this.page.screenshot({ path: `${SCREENSHOTS}${name}.png` });
  }
}

