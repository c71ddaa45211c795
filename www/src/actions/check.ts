import { $check } from '../state';
import { task } from './task';
import { volume } from './tree';

export async function checkVolume(): Promise<void> {
  const report = await task('Checking the volume', () => volume().check());
  if (report) $check.set(report);
}
