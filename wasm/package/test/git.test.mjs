/** isomorphic-git works on a volume as on Node's own files, and git finds nothing wrong with what it left there. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import * as nodeFs from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import git from 'isomorphic-git';
import { Volume } from '../dist/node.js';

const FILES = 2000;
const MIB = 1 << 20;
const author = { name: 'A. Tester', email: 'tester@example.com', timestamp: 1_700_000_000, timezoneOffset: 0 };

function contents(i, version) {
  return `file ${i}, version ${version}\n`.repeat(1 + (i % 40));
}

function path(i) {
  return `src/${i % 10}/${i % 7}/file-${i}.txt`;
}

/** Writes all files that belong to a version: every one, then every fourth. */
async function write(fs, version) {
  const changed = [];
  for (let i = 0; i < FILES; i += version === 1 ? 1 : 4) {
    if (version === 1) await fs.mkdir(`/repo/${path(i)}`.replace(/\/[^/]*$/, ''), { recursive: true });
    await fs.writeFile(`/repo/${path(i)}`, contents(i, version));
    changed.push(path(i));
  }
  return changed;
}

async function check(fs, version) {
  for (let i = 0; i < FILES; i++) {
    const expected = contents(i, i % 4 === 0 ? version : 1);
    assert.equal(await fs.readFile(`/repo/${path(i)}`, 'utf8'), expected, path(i));
  }
}

test('a repository of 2000 files', async (context) => {
  const folder = await nodeFs.mkdtemp(join(tmpdir(), 'xfskit-git-'));
  const image = join(folder, 'image');
  try {
    const volume = await Volume.open({ store: 'file', name: image, create: { size: 512 * MIB } });
    try {
      await history(volume);
      assert.deepEqual((await volume.check()).findings, []);
    } finally {
      await volume.close();
    }
    await judge(context, folder, image);
  } finally {
    await nodeFs.rm(folder, { recursive: true });
  }
});

async function history(volume) {
  const fs = volume.promises;
  const at = { fs: volume, dir: '/repo', cache: {} };
  await fs.mkdir('/repo');
  await git.init({ ...at, defaultBranch: 'main' });
  await git.add({ ...at, filepath: await write(fs, 1), parallel: true });
  const first = await git.commit({ ...at, message: 'everything', author });
  await git.branch({ ...at, ref: 'feature', checkout: true });
  await git.add({ ...at, filepath: await write(fs, 2), parallel: true });
  await git.commit({ ...at, message: 'every fourth file changes', author });
  await check(fs, 2);
  await git.checkout({ ...at, ref: 'main' });
  await check(fs, 1);
  await git.merge({ ...at, ours: 'main', theirs: 'feature', author });
  await git.checkout({ ...at, ref: 'main' });
  await check(fs, 2);
  await git.tag({ ...at, ref: 'done' });
  assert.deepEqual(await git.listBranches(at), ['feature', 'main']);
  assert.equal((await git.listFiles({ ...at, ref: 'done' })).length, FILES);
  const log = await git.log({ ...at });
  assert.deepEqual(log.map((entry) => entry.commit.message.trim()), ['every fourth file changes', 'everything']);
  assert.equal(log[1].oid, first);
  const changed = (await git.statusMatrix(at)).filter(([, head, work, stage]) => head !== 1 || work !== 1 || stage !== 1);
  assert.deepEqual(changed, []);
}

/** Mounts the image where that can be done, and has git look at it. */
async function judge(context, folder, image) {
  const place = join(folder, 'mounted');
  await nodeFs.mkdir(place);
  try {
    execFileSync('git', ['--version'], { stdio: 'ignore' });
    execFileSync('mount', ['-t', 'xfs', '-o', 'loop,ro', image, place], { stdio: 'pipe', timeout: 60_000 });
  } catch (error) {
    context.diagnostic(`not mounted, and so not judged by git: ${String(error.stderr ?? error.message).trim()}`);
    return;
  }
  try {
    const run = (...args) => execFileSync('git', ['-c', 'safe.directory=*', '-C', join(place, 'repo'), ...args], { encoding: 'utf8', stdio: 'pipe' });
    run('fsck', '--full', '--strict');
    assert.equal(run('rev-list', '--count', 'main').trim(), '2');
    assert.equal(run('diff', '--no-ext-diff', '--name-only', 'HEAD').trim(), '');
    assert.equal(await nodeFs.readFile(join(place, 'repo', path(4)), 'utf8'), contents(4, 2));
  } finally {
    execFileSync('umount', [place], { timeout: 60_000 });
  }
}
