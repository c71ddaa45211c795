/**
 * What is done to Node's own `fs.promises`, in an empty folder, and to a volume's, with the same outcome: each step's
 * result, or error, is recorded and compared. Paths are relative: a volume's begin at its root.
 */

/** Scenarios by name; `step` records. */
export const scenarios = {
  'files are written and read': async (fs, step) => {
    await step('write', () => fs.writeFile('f', 'hello'));
    await step('read bytes', () => fs.readFile('f'));
    await step('read text', () => fs.readFile('f', 'utf8'));
    await step('read text by options', () => fs.readFile('f', { encoding: 'utf8' }));
    for (const encoding of ['latin1', 'hex', 'base64', 'base64url', 'utf16le', 'ascii']) {
      await step(`write ${encoding}`, () => fs.writeFile('e', encoding === 'hex' ? '00ff10ab' : 'aGVsbG8', encoding));
      await step(`read ${encoding}`, () => fs.readFile('e', encoding));
      await step('bytes', () => fs.readFile('e'));
    }
    await step('not an encoding', () => fs.readFile('f', 'zzz'));
    await step('append', () => fs.appendFile('f', ' world'));
    await step('append to a new one', () => fs.appendFile('g', Buffer.from('new')));
    await step('f', () => fs.readFile('f', 'utf8'));
    await step('g', () => fs.readFile('g', 'utf8'));
    await step('shorter', () => fs.writeFile('f', new Uint8Array([1, 2, 3]).subarray(1)));
    await step('f', () => fs.readFile('f'));
    await step('wide array', () => fs.writeFile('f', new Uint16Array([1, 2, 3])));
    await step('f', () => fs.readFile('f'));
    await step('iterable', () => fs.writeFile('f', ['a', Buffer.from('b'), 'c']));
    await step('f', () => fs.readFile('f', 'utf8'));
    await step('async iterable', () => fs.writeFile('f', (async function* () { yield 'x'; yield 'y'; })()));
    await step('f', () => fs.readFile('f', 'utf8'));
    await step('no data', () => fs.writeFile('f', 5));
    await step('empty', () => fs.writeFile('empty', ''));
    await step('empty', () => fs.readFile('empty', 'utf8'));
    await step('flush', () => fs.writeFile('f', 'z', { flush: true }));
    await step('f', () => fs.readFile('f', 'utf8'));
  },

  'large files come in one piece': async (fs, step) => {
    const data = Buffer.alloc((3 << 20) + 17);
    for (let i = 0; i < data.length; i++) data[i] = (i * 31) ^ (i >> 9);
    await step('write', () => fs.writeFile('large', data));
    await step('size', async () => (await fs.stat('large')).size);
    await step('equal', async () => (await fs.readFile('large')).equals(data));
    await step('large append', () => fs.appendFile('large', data));
    await step('equal', async () => (await fs.readFile('large')).equals(Buffer.concat([data, data])));
    await step('truncate', () => fs.truncate('large', (1 << 20) + 1));
    await step('equal', async () => (await fs.readFile('large')).equals(data.subarray(0, (1 << 20) + 1)));
  },

  'flags of open': async (fs, step) => {
    await step('wx', () => fs.writeFile('f', 'first', { flag: 'wx' }));
    await step('wx again', () => fs.writeFile('f', 'second', { flag: 'wx' }));
    await step('ax again', () => fs.appendFile('f', 'second', { flag: 'ax' }));
    await step('f', () => fs.readFile('f', 'utf8'));
    await step('r of nothing', () => fs.open('nothing', 'r'));
    await step('r+ of nothing', () => fs.open('nothing', 'r+'));
    await step('no flag', () => fs.open('f', 'zz'));
    for (const flag of ['r', 'r+', 'w', 'w+', 'a', 'a+', 'rs+', 'as', 0, 1, 2]) {
      await step(`with ${flag}`, async () => {
        await fs.writeFile('h', 'abcdef');
        const handle = await fs.open('h', flag);
        const told = {};
        const ask = async (name, work) => {
          try {
            told[name] = await work();
          } catch (error) {
            told[name] = error.code;
          }
        };
        await ask('read', async () => (await handle.read(Buffer.alloc(2), 0, 2, null)).bytesRead);
        await ask('write', async () => (await handle.write('XY')).bytesWritten);
        await ask('read on', async () => (await handle.read(Buffer.alloc(2))).buffer.toString());
        await ask('write at 1', async () => (await handle.write(Buffer.from('Z'), 0, 1, 1)).bytesWritten);
        await ask('truncate', () => handle.truncate(7));
        await handle.close();
        told.contents = await fs.readFile('h', 'utf8');
        return told;
      });
    }
  },

  'a handle has a position': async (fs, step) => {
    await fs.writeFile('f', '0123456789');
    const handle = await fs.open('f', 'r+');
    await step('read 3', async () => (await handle.read(Buffer.alloc(3))).buffer);
    await step('read at 8', () => handle.read(Buffer.alloc(5), 1, 3, 8).then((r) => [r.bytesRead, r.buffer]));
    await step('read on', () => handle.read({ buffer: Buffer.alloc(3), position: null }).then((r) => [r.bytesRead, r.buffer]));
    await step('write here', () => handle.write('AB').then((r) => [r.bytesWritten, r.buffer]));
    await step('write text at 0', () => handle.write('é', 0, 'latin1').then((r) => r.bytesWritten));
    await step('rest', async () => (await handle.readFile()).toString('latin1'));
    await step('at the end', () => handle.read(Buffer.alloc(3)).then((r) => r.bytesRead));
    await step('contents', () => fs.readFile('f', 'latin1'));
    await step('readv', () => handle.readv([Buffer.alloc(2), Buffer.alloc(3)], 1).then((r) => [r.bytesRead, ...r.buffers]));
    await step('writev', () => handle.writev([Buffer.from('pq'), Buffer.from('rs')], 4).then((r) => r.bytesWritten));
    await step('contents', () => fs.readFile('f', 'latin1'));
    await step('default buffer', () => handle.read({ position: 0 }).then((r) => [r.bytesRead, r.buffer.length]));
    await step('out of range', () => handle.read(Buffer.alloc(3), 0, 5, 0));
    await step('truncate', () => handle.truncate(4));
    await step('grow', () => handle.truncate(6));
    await step('contents', () => fs.readFile('f', 'latin1'));
    await step('size', async () => (await handle.stat()).size);
    await step('sync', () => handle.sync());
    await step('datasync', () => handle.datasync());
    await step('chmod', () => handle.chmod(0o600));
    await step('utimes', () => handle.utimes(5, 6.5));
    await step('stat', async () => {
      const { mode, mtimeMs, atimeMs } = await handle.stat();
      return [mode, mtimeMs, atimeMs];
    });
    await step('append', () => handle.appendFile('!'));
    await step('close', () => handle.close());
    await step('fd', () => handle.fd);
    await step('read closed', () => handle.read(Buffer.alloc(1)));
    await step('stat closed', () => handle.stat());
    await step('sync closed', () => handle.sync());
    await step('close closed', () => handle.close());
    await step('contents', () => fs.readFile('f', 'latin1'));
  },

  'a handle that is closed finishes what it was asked': async (fs, step) => {
    const handle = await fs.open('f', 'w');
    const writing = handle.write(Buffer.alloc(3 << 20, 'x'), 0, 3 << 20, 0);
    const after = handle.write('end', 3 << 20);
    await step('close', () => handle.close());
    await step('written', async () => [(await writing).bytesWritten, (await after).bytesWritten]);
    await step('size', async () => (await fs.stat('f')).size);
    await step('not any more', () => handle.write('x'));
  },

  'slashes at the end mean folders': async (fs, step) => {
    await fs.writeFile('f', 'x');
    await fs.mkdir('d');
    await step('unlink', () => fs.unlink('f/'));
    await step('rename', () => fs.rename('f/', 'g'));
    await step('rename to', () => fs.rename('f', 'g/'));
    await step('rename folder', () => fs.rename('d/', 'e/'));
    await step('stat', () => fs.stat('f/'));
    await step('left', async () => (await fs.readdir('.')).sort());
  },

  'a removed file lives while it is open': async (fs, step) => {
    await fs.writeFile('f', 'still here');
    const handle = await fs.open('f', 'r+');
    await fs.unlink('f');
    await step('gone', () => fs.stat('f'));
    await step('links', async () => (await handle.stat()).nlink);
    await step('write', () => handle.write('STILL', 0).then((r) => r.bytesWritten));
    await step('read', () => handle.read(Buffer.alloc(10), 0, 10, 0).then((r) => r.buffer.toString()));
    await step('close', () => handle.close());
  },

  'folders': async (fs, step) => {
    await step('mkdir', () => fs.mkdir('a'));
    await step('again', () => fs.mkdir('a'));
    await step('below nothing', () => fs.mkdir('x/y'));
    await step('recursive', () => fs.mkdir('a/b/c', { recursive: true }));
    await step('recursive again', () => fs.mkdir('a/b/c', { recursive: true }));
    await step('recursive, with a slash', () => fs.mkdir('d/e/', { recursive: true }));
    await fs.writeFile('f', '');
    await step('below a file', () => fs.mkdir('f/x', { recursive: true }));
    await step('is a file', () => fs.mkdir('f', { recursive: true }));
    await step('mode', () => fs.mkdir('m', { mode: 0o711 }));
    await step('mode as text', () => fs.mkdir('n', '700'));
    await step('modes', async () => [(await fs.stat('m')).mode, (await fs.stat('n')).mode]);
    await step('bad mode', () => fs.mkdir('o', 'zz'));
    await fs.writeFile('a/b/file', 'x');
    await fs.symlink('b/file', 'a/link');
    const sorted = (list) => list.map(String).sort();
    await step('readdir', async () => sorted(await fs.readdir('a')));
    await step('as bytes', async () => sorted((await fs.readdir('a', 'buffer')).map((name) => name.toString('hex'))));
    await step('hex', async () => sorted(await fs.readdir('a', { encoding: 'hex' })));
    await step('recursive', async () => sorted(await fs.readdir('a', { recursive: true })));
    await step('with types', async () => (await fs.readdir('a', { withFileTypes: true })).map(dirent).sort());
    await step('both', async () => (await fs.readdir('a', { withFileTypes: true, recursive: true })).map(dirent).sort());
    await step('of a file', () => fs.readdir('f'));
    await step('of nothing', () => fs.readdir('nothing'));
    await step('opendir', async () => {
      const found = [];
      for await (const entry of await fs.opendir('a')) found.push(dirent(entry));
      return found.sort();
    });
    await step('opendir of nothing', () => fs.opendir('nothing'));
    await step('opendir of a file', () => fs.opendir('f'));
    await step('rmdir full', () => fs.rmdir('a'));
    await step('rmdir file', () => fs.rmdir('f'));
    await step('rmdir nothing', () => fs.rmdir('nothing'));
    await step('rmdir', () => fs.rmdir('m'));
    await step('unlink folder', () => fs.unlink('a'));
    await step('rm folder', () => fs.rm('a'));
    await step('rm nothing', () => fs.rm('nothing'));
    await step('rm nothing by force', () => fs.rm('nothing', { force: true }));
    await step('rm recursive nothing', () => fs.rm('nothing', { recursive: true }));
    await step('rm recursive', () => fs.rm('a', { recursive: true }));
    await step('rm file', () => fs.rm('f'));
    await step('left', async () => sorted(await fs.readdir('.')));
    await step('temporary', async () => {
      const name = await fs.mkdtemp('tmp-');
      return [name.length, name.startsWith('tmp-'), (await fs.stat(name)).mode];
    });
  },

  'links and names': async (fs, step) => {
    await fs.writeFile('f', 'x');
    await fs.mkdir('d');
    await step('link', () => fs.link('f', 'g'));
    await step('count', async () => (await fs.stat('g')).nlink);
    await step('link again', () => fs.link('f', 'g'));
    await step('link nothing', () => fs.link('nothing', 'h'));
    await step('link folder', () => fs.link('d', 'h'));
    await step('symlink', () => fs.symlink('f', 's'));
    await step('symlink again', () => fs.symlink('f', 's'));
    await step('readlink', () => fs.readlink('s'));
    await step('readlink bytes', () => fs.readlink('s', 'buffer'));
    await step('readlink file', () => fs.readlink('f'));
    await step('through it', () => fs.readFile('s', 'utf8'));
    await step('lstat', async () => (await fs.lstat('s')).isSymbolicLink());
    await step('size of link', async () => (await fs.lstat('s')).size);
    await step('stat', async () => (await fs.stat('s')).isFile());
    await step('loop', () => fs.symlink('loop', 'loop'));
    await step('open loop', () => fs.readFile('loop'));
    await step('dangling', () => fs.symlink('nowhere', 'dangling'));
    await step('stat dangling', () => fs.stat('dangling'));
    await step('write through it', () => fs.writeFile('dangling', 'made'));
    await step('nowhere', () => fs.readFile('nowhere', 'utf8'));
    await step('exclusive through it', () => fs.writeFile('s', 'x', { flag: 'wx' }));
    await step('rename', () => fs.rename('f', 'renamed'));
    await step('rename nothing', () => fs.rename('nothing', 'x'));
    await step('rename over', () => fs.rename('g', 'renamed'));
    await step('rename folder over file', () => fs.rename('d', 'renamed'));
    await step('rename file over folder', () => fs.rename('renamed', 'd'));
    await step('rename into itself', () => fs.rename('d', 'd/e'));
    await fs.mkdir('full/inside', { recursive: true });
    // XFS says EEXIST where other filesystems say ENOTEMPTY; both may be said.
    await step('rename over full', () => fs.rename('d', 'full').catch((error) => ['EEXIST', 'ENOTEMPTY'].includes(error.code)));
    await step('realpath nothing', () => fs.realpath('nothing'));
    await step('too long', () => fs.writeFile('x'.repeat(256), ''));
    await step('just not', () => fs.writeFile('y'.repeat(255), ''));
    await step('unlink nothing', () => fs.unlink('nothing'));
    await step('empty path', () => fs.stat(''));
    await step('null byte', () => fs.stat('a\0b').catch((e) => e.code));
    await step('no path', () => fs.stat(5));
    await step('not a folder', () => fs.stat('renamed/x'));
    await step('bytes as path', () => fs.readFile(Buffer.from('nowhere'), 'utf8'));
  },

  'attributes': async (fs, step) => {
    await fs.writeFile('f', 'x', { mode: 0o640 });
    await step('mode', async () => (await fs.stat('f')).mode);
    await step('chmod', () => fs.chmod('f', 0o755));
    await step('chmod text', () => fs.chmod('f', '4711'));
    await step('mode', async () => (await fs.stat('f')).mode);
    await step('chmod nothing', () => fs.chmod('nothing', 0o755));
    await step('chown', () => fs.chown('f', 1234, 567));
    await step('owners', async () => [(await fs.stat('f')).uid, (await fs.stat('f')).gid]);
    await fs.symlink('f', 's');
    await step('lchown', () => fs.lchown('s', 8, 9));
    await step('owners of link', async () => [(await fs.lstat('s')).uid, (await fs.stat('s')).uid]);
    await step('utimes', () => fs.utimes('f', 1000, 2000.125));
    await step('utimes dates', () => fs.utimes('f', new Date(1e12), new Date(1e12 + 345)));
    await step('times', async () => {
      const { atimeMs, mtimeMs, mtime } = await fs.stat('f');
      return [atimeMs, mtimeMs, mtime];
    });
    await step('big', async () => {
      const { atimeNs, mtimeMs, size, mode } = await fs.stat('f', { bigint: true });
      return [atimeNs, mtimeMs, size, mode];
    });
    await step('lutimes', () => fs.lutimes('s', 5, 6));
    await step('link time', async () => [(await fs.lstat('s')).mtimeMs, (await fs.stat('s')).mtimeMs]);
    await step('utimes nothing', () => fs.utimes('nothing', 1, 1));
    await step('lutimes nothing', () => fs.lutimes('nothing', 1, 1));
    await step('lchmod', () => fs.lchmod('f', 1));
    await step('truncate', () => fs.truncate('f', 100));
    await step('truncate nothing', () => fs.truncate('nothing'));
    await step('size', async () => (await fs.stat('f')).size);
    await step('access', () => fs.access('f'));
    await step('access nothing', () => fs.access('nothing'));
    await fs.chmod('f', 0o600);
    await step('access X', () => fs.access('f', fs.constants.X_OK));
    await step('access R', () => fs.access('f', fs.constants.R_OK | fs.constants.W_OK));
    await step('statfs nothing', () => fs.statfs('nothing'));
    await step('statfs', async () => Object.keys(await fs.statfs('f')).sort());
    await step('stat keys', async () => Object.keys(await fs.stat('f')).sort());
    await step('stat big keys', async () => Object.keys(await fs.stat('f', { bigint: true })).sort());
  },

  'copies': async (fs, step) => {
    await fs.writeFile('f', 'contents', { mode: 0o600 });
    await fs.mkdir('d/inner', { recursive: true });
    await fs.writeFile('d/inner/g', 'deep');
    await fs.symlink('inner', 'd/link');
    await step('copy', () => fs.copyFile('f', 'c'));
    await step('read', () => fs.readFile('c', 'utf8'));
    await step('mode', async () => (await fs.stat('c')).mode);
    await step('over a longer one', async () => {
      await fs.writeFile('c', 'a much longer text than before');
      await fs.copyFile('f', 'c');
      return fs.readFile('c', 'utf8');
    });
    await step('exclusive', () => fs.copyFile('f', 'c', fs.constants.COPYFILE_EXCL));
    await step('ficlone', () => fs.copyFile('f', 'c', fs.constants.COPYFILE_FICLONE));
    await step('onto itself', () => fs.copyFile('f', 'f'));
    await step('unharmed', () => fs.readFile('f', 'utf8'));
    await step('folder', () => fs.copyFile('d', 'x'));
    await step('onto folder', () => fs.copyFile('f', 'd'));
    await step('nothing', () => fs.copyFile('nothing', 'x'));
    await step('cp file', () => fs.cp('f', 'new/deeper/f2'));
    await step('read', () => fs.readFile('new/deeper/f2', 'utf8'));
    await step('cp folder', () => fs.cp('d', 'e'));
    await step('cp nothing', () => fs.cp('nothing', 'e'));
    await step('cp tree', () => fs.cp('d', 'e', { recursive: true, verbatimSymlinks: true }));
    await step('tree', async () => (await fs.readdir('e', { recursive: true, withFileTypes: true })).map(dirent).sort());
    await step('link', () => fs.readlink('e/link'));
    await step('cp tree again', () => fs.cp('d/inner', 'e/inner', { recursive: true }));
    await step('cp into itself', () => fs.cp('d', 'd/inner/x', { recursive: true }));
    await step('cp to itself', () => fs.cp('f', 'f'));
    await step('cp folder to file', () => fs.cp('d', 'f', { recursive: true }));
    await step('cp file to folder', () => fs.cp('f', 'd'));
    await step('no overwriting', () => fs.cp('f', 'c', { force: false }));
    await step('error on exist', () => fs.cp('f', 'c', { force: false, errorOnExist: true }));
    await step('filter', async () => {
      await fs.cp('d', 'h', { recursive: true, filter: (source) => !source.endsWith('g') && !source.endsWith('link') });
      return fs.readdir('h', { recursive: true });
    });
    await step('times', async () => {
      await fs.utimes('f', 100, 200);
      await fs.cp('f', 't', { preserveTimestamps: true });
      return (await fs.stat('t')).mtimeMs;
    });
  },

  'signals end what they are given to': async (fs, step) => {
    await fs.writeFile('f', Buffer.alloc(2 << 20));
    await step('read', () => fs.readFile('f', { signal: AbortSignal.abort() }));
    await step('write', () => fs.writeFile('g', 'x', { signal: AbortSignal.abort() }));
    await step('not begun', () => fs.stat('g'));
    await step('while reading', async () => {
      const controller = new AbortController();
      const reading = fs.readFile('f', { signal: controller.signal });
      controller.abort();
      return reading;
    });
    await step('while writing', async () => {
      const controller = new AbortController();
      const parts = (async function* () {
        yield 'first';
        controller.abort();
        yield 'second';
      })();
      await fs.writeFile('h', parts, { signal: controller.signal });
    });
  },
};

function dirent(entry) {
  const kind = entry.isDirectory() ? 'folder' : entry.isFile() ? 'file' : entry.isSymbolicLink() ? 'link' : 'other';
  return `${entry.parentPath} ${entry.name} ${kind}`;
}
