/** What a volume has beyond Node's `fs`. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import * as nodeFs from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { Volume } from '../dist/node.js';

const MIB = 1 << 20;
let folder;

before(async () => {
  folder = await nodeFs.mkdtemp(join(tmpdir(), 'xfskit-volume-'));
});

after(() => nodeFs.rm(folder, { recursive: true }));

async function withVolume(work, options = {}) {
  const volume = await Volume.open({ store: 'memory', create: { size: 64 * MIB }, ...options });
  try {
    await work(volume, volume.promises);
    assert.deepEqual((await volume.check()).findings, []);
  } finally {
    await volume.close();
  }
}

function bytes(length, seed = 1) {
  const data = Buffer.alloc(length);
  for (let i = 0; i < length; i++) data[i] = (i * 7 + (i >> 8) * seed) & 0xff;
  return data;
}

async function collect(stream) {
  const parts = [];
  for await (const part of stream) parts.push(part);
  return Buffer.concat(parts);
}

test('a volume is kept in a file', async () => {
  const name = join(folder, 'kept');
  const first = await Volume.open({ store: 'file', name, create: { size: 64 * MIB, label: 'kept', blockSize: 1024 } });
  assert.equal(first.created, true);
  assert.equal(first.info.label, 'kept');
  assert.equal(first.info.blockSize, 1024);
  await first.promises.writeFile('/f', 'here');
  await assert.rejects(Volume.open({ store: 'file', name }), { code: 'EBUSY' });
  await assert.rejects(Volume.delete({ store: 'file', name }), { code: 'EBUSY' });
  await first.close();
  const second = await Volume.open({ store: 'file', name, create: { size: 64 * MIB } });
  assert.equal(second.created, false);
  assert.equal(second.recovered, undefined);
  assert.equal(await second.promises.readFile('/f', 'utf8'), 'here');
  await second.close();
  await assert.rejects(Volume.open({ store: 'file', name, create: { size: 64 * MIB, exclusive: true } }), { code: 'EEXIST' });
  const reader = await Volume.open({ store: 'file', name, readOnly: true });
  assert.equal(await reader.promises.readFile('/f', 'utf8'), 'here');
  await assert.rejects(reader.promises.writeFile('/g', ''), { code: 'EROFS', syscall: 'open', path: '/g' });
  await assert.rejects(reader.promises.access('/f', reader.promises.constants.W_OK), { code: 'EROFS' });
  await reader.close();
  await Volume.delete({ store: 'file', name });
  await assert.rejects(Volume.open({ store: 'file', name }), { code: 'ENOENT' });
});

test('a foreign image is never taken for an empty one', async () => {
  const name = join(folder, 'foreign');
  const foreign = Buffer.alloc(64 * MIB);
  foreign.write('other filesystem', 1080);
  await nodeFs.writeFile(name, foreign);
  await assert.rejects(Volume.open({ store: 'file', name, create: { size: 64 * MIB } }));
  assert.ok((await nodeFs.readFile(name)).equals(foreign));
});

test('a volume whose making was cut short is made anew, and nothing old is left in it', async () => {
  const name = join(folder, 'unfinished');
  const old = await Volume.open({ store: 'file', name, create: { size: 64 * MIB } });
  for (let i = 0; i < 200; i++) await old.promises.writeFile(`/${i}`, bytes(5000));
  await old.sync();
  const image = await nodeFs.readFile(name);
  old.abandon();
  // The superblock says that it is still being made.
  image[126] = 1;
  await nodeFs.writeFile(name, image);
  for (const created of [true, false]) {
    const volume = await Volume.open({ store: 'file', name, create: { size: 64 * MIB } });
    assert.equal(volume.created, created);
    assert.equal(volume.readOnlyReason, undefined);
    assert.deepEqual(await volume.promises.readdir('/'), []);
    assert.deepEqual((await volume.check()).findings, []);
    await volume.close();
  }
});

test('an export that is given up at its beginning keeps nobody waiting', () =>
  withVolume(async (volume, fs) => {
    const controller = new AbortController();
    const reading = volume.exportImage({ signal: controller.signal }).getReader().read();
    controller.abort();
    await reading.catch(() => {});
    await fs.writeFile('/f', 'goes on');
  }));

test('streams that fail close their files', () =>
  withVolume(async (volume, fs) => {
    const writing = await fs.open('/f', 'w');
    const writer = writing.createWriteStream().getWriter();
    await assert.rejects(writer.write(5), { code: 'ERR_INVALID_ARG_TYPE' });
    assert.equal(writing.fd, -1);
    const reading = await fs.open('/f');
    await assert.rejects(reading.createReadStream({ signal: AbortSignal.abort() }).getReader().read(), { name: 'AbortError' });
    assert.equal(reading.fd, -1);
  }));

test('a copy that cannot be leaves its target as it is', () =>
  withVolume(async (volume, fs) => {
    await fs.writeFile('/target', 'as it was');
    await fs.symlink('/nowhere', '/gone');
    await assert.rejects(fs.copyFile('/gone', '/target'), { code: 'ENOENT' });
    await assert.rejects(fs.copyFile('/', '/target'), { code: 'EISDIR' });
    assert.equal(await fs.readFile('/target', 'utf8'), 'as it was');
    await fs.writeFile('/longer', bytes(3 * MIB));
    await fs.writeFile('/short', bytes(5));
    await fs.copyFile('/short', '/longer');
    assert.deepEqual(await fs.readFile('/longer'), bytes(5));
  }));

test('volumes in memory do not hear of each other', () =>
  withVolume((volume) =>
    withVolume(async (other, fs) => {
      const controller = new AbortController();
      const changes = volume.promises.watch('/', { signal: controller.signal });
      const next = changes.next();
      const own = other.promises.watch('/');
      const heard = own.next();
      await fs.readdir('/');
      await fs.writeFile('/f', '');
      assert.equal((await heard).value.filename, 'f');
      await own.return();
      controller.abort();
      await assert.rejects(next, { name: 'AbortError' });
    }),
  ));

test('a closed volume says so', async () => {
  const volume = await Volume.open({ store: 'memory', create: { size: 64 * MIB } });
  const { promises } = volume;
  await volume.close();
  await assert.rejects(promises.readFile('/f'), { code: 'EBADF' });
  await assert.rejects(Volume.open({ store: 'memory' }), { code: 'ENOENT' });
  await assert.rejects(Volume.open({ store: 'opfs', name: 'x' }), { code: 'EOPNOTSUPP' });
});

test('promises is a property that programs find', () =>
  withVolume(async (volume) => {
    assert.equal(Object.getOwnPropertyDescriptor(volume, 'promises').enumerable, true);
  }));

test('a clone shares its blocks until it is written', () =>
  withVolume(async (volume, fs) => {
    const data = bytes(MIB);
    await fs.writeFile('/a', data);
    await volume.sync();
    const before = await volume.df();
    await volume.clone('/a', '/b');
    await volume.sync();
    assert.ok((await volume.df()).used - before.used < 64 * 1024);
    assert.ok((await volume.extents('/b')).every((extent) => extent.shared));
    const handle = await fs.open('/b', 'r+');
    await handle.write(Buffer.from('changed'), 0, 7, 8192);
    await handle.sync();
    await handle.close();
    const extents = await volume.extents('/b');
    assert.deepEqual(extents.filter((extent) => !extent.shared).map(({ offset, length }) => [offset, length]), [[8192, 4096]]);
    assert.deepEqual(await fs.readFile('/a'), data);
    data.write('changed', 8192);
    assert.deepEqual(await fs.readFile('/b'), data);
    const [first] = await volume.extents('/a');
    const owners = await volume.owners(first.place, 4096);
    const files = await Promise.all(owners.map((owner) => volume.pathOf(owner.ino)));
    assert.deepEqual(files.sort(), ['/a', '/b']);
    await volume.clone('/a', '/b', { from: 0, to: 8192, length: 4096 });
    assert.deepEqual((await fs.readFile('/b')).subarray(8192, 8192 + 4096), data.subarray(0, 4096));
    await assert.rejects(volume.clone('/nothing', '/c'), { code: 'ENOENT', path: '/nothing', dest: '/c' });
    await fs.copyFile('/a', '/c', fs.constants.COPYFILE_EXCL);
    await assert.rejects(fs.copyFile('/a', '/c', fs.constants.COPYFILE_EXCL), { code: 'EEXIST' });
  }));

test('attributes', () =>
  withVolume(async (volume, fs) => {
    await fs.writeFile('/f', '');
    await volume.setxattr('/f', 'user.text', 'värde');
    await volume.setxattr('/f', 'user.bytes', Uint8Array.of(0, 255, 10));
    assert.deepEqual((await volume.listxattr('/f')).sort(), ['user.bytes', 'user.text']);
    assert.deepEqual([...(await volume.getxattr('/f', 'user.bytes'))], [0, 255, 10]);
    await assert.rejects(volume.setxattr('/f', 'user.text', '', { create: true }), { code: 'EEXIST' });
    await assert.rejects(volume.setxattr('/f', 'user.new', '', { replace: true }), { code: 'ENODATA' });
    await volume.removexattr('/f', 'user.text');
    await assert.rejects(volume.getxattr('/f', 'user.text'), { code: 'ENODATA', syscall: 'getxattr', path: '/f' });
  }));

test('an image goes out whole and in parts, and comes in again', () =>
  withVolume(async (volume, fs) => {
    const data = bytes(3 * MIB);
    await fs.writeFile('/data', data);
    const told = [];
    const image = await collect(volume.exportImage({ onProgress: (progress) => told.push(progress) }));
    assert.equal(image.length, 64 * MIB);
    assert.deepEqual(told.at(-1).done, told.at(-1).total);
    const sparse = Buffer.alloc(64 * MIB);
    let given = 0;
    for await (const part of volume.exportImage({ sparse: true })) {
      if (part.type === 'truncate') assert.equal(part.size, 64 * MIB);
      else given += sparse.set(part.data, part.position) ?? part.data.length;
    }
    assert.ok(given < 16 * MIB);
    assert.ok(sparse.equals(image));
    for (const source of [image, new Blob([image]), new Blob([image]).stream(), new Response(image)]) {
      const copy = await Volume.importImage({ store: 'memory' }, source);
      assert.deepEqual(await copy.promises.readFile('/data'), data);
      assert.deepEqual((await copy.check()).findings, []);
      assert.equal(copy.info.uuid, volume.info.uuid);
      await copy.close();
    }
    await assert.rejects(Volume.importImage({ store: 'memory' }, Buffer.alloc(MIB)), { code: 'EINVAL' });
    await assert.rejects(Volume.importImage({ store: 'memory' }, image.subarray(0, 32 * MIB)), { code: 'EINVAL' });
    const signal = AbortSignal.abort();
    await assert.rejects(collect(volume.exportImage({ signal })), { name: 'AbortError' });
    await assert.rejects(Volume.importImage({ store: 'memory' }, image, { signal }), { name: 'AbortError' });
    await fs.writeFile('/after', 'changes go on');
  }));

test('an image comes in under a free name only, and leaves nothing behind when it fails', async () => {
  const name = join(folder, 'imported');
  const volume = await Volume.open({ store: 'memory', create: { size: 64 * MIB } });
  const image = await collect(volume.exportImage());
  await volume.close();
  await assert.rejects(Volume.importImage({ store: 'file', name }, image.subarray(0, 32 * MIB)), { code: 'EINVAL' });
  await assert.rejects(nodeFs.stat(name), { code: 'ENOENT' });
  await (await Volume.importImage({ store: 'file', name }, image)).close();
  await assert.rejects(Volume.importImage({ store: 'file', name }, image), { code: 'EEXIST' });
  await (await Volume.open({ store: 'file', name })).close();
});

test('while an image goes out, reading goes on and changes wait', () =>
  withVolume(async (volume, fs) => {
    await fs.writeFile('/f', bytes(2 * MIB));
    const reader = volume.exportImage().getReader();
    await reader.read();
    let isWritten = false;
    const writing = fs.writeFile('/g', 'later').then(() => (isWritten = true));
    assert.equal((await fs.readFile('/f')).length, 2 * MIB);
    await fs.readdir('/');
    assert.equal(isWritten, false);
    await reader.cancel();
    await writing;
    assert.equal(await fs.readFile('/g', 'utf8'), 'later');
  }));

test('archives go out and come in', () =>
  withVolume(async (volume, fs) => {
    await fs.mkdir('/tree/deep/er', { recursive: true });
    await fs.writeFile('/tree/file', 'text', { mode: 0o640 });
    await fs.writeFile('/tree/deep/large', bytes(3 * MIB));
    await fs.link('/tree/file', '/tree/deep/again');
    await fs.symlink('../file', '/tree/deep/link');
    await fs.link('/tree/deep/link', '/tree/deep/link again');
    await fs.writeFile(`/tree/${'long '.repeat(45)}`, 'long name');
    await fs.writeFile('/tree/ünïcode', '');
    await fs.writeFile(Buffer.from('/tree/no text \xff', 'latin1'), 'bytes');
    await fs.chown('/tree/file', 1000, 3_000_000);
    await fs.utimes('/tree/file', 5, 1234567890.5);
    await fs.utimes('/tree/deep', 5, 77);
    await fs.chmod('/tree/deep', 0o1777);
    await volume.mknod('/tree/fifo', fs.constants.S_IFIFO | 0o600);
    await volume.setxattr('/tree/file', 'user.text', 'value');
    await volume.setxattr('/tree/file', 'user.bytes', Uint8Array.of(0, 255, 10, 61));
    const archive = await collect(volume.exportTar('/tree'));
    await volume.importTar(archive, { path: '/copy' });
    assert.deepEqual(await listed(volume, '/copy'), await listed(volume, '/tree'));
    assert.equal((await fs.stat('/copy/file')).ino, (await fs.stat('/copy/deep/again')).ino);
    assert.equal((await fs.lstat('/copy/deep/link')).ino, (await fs.lstat('/copy/deep/link again')).ino);
    await nodeFs.writeFile(join(folder, 'a.tar'), archive);
    const names = execFileSync('tar', ['tf', join(folder, 'a.tar'), '--quoting-style=escape'], { encoding: 'utf8' });
    assert.match(names, /deep\/large/);
  }));

test('archives of tar come in', () =>
  withVolume(async (volume, fs) => {
    const place = join(folder, 'tarred');
    await nodeFs.mkdir(join(place, 'd'), { recursive: true });
    await nodeFs.writeFile(join(place, 'd/f'), 'from tar');
    await nodeFs.writeFile(join(place, 'x'.repeat(200)), 'long');
    await nodeFs.symlink('d', join(place, 'l'));
    for (const format of ['gnu', 'pax']) {
      const archive = execFileSync('tar', ['c', `--format=${format}`, '-C', place, '.']);
      await volume.importTar(new Blob([archive]), { path: format });
      assert.equal(await fs.readFile(`/${format}/l/f`, 'utf8'), 'from tar');
      assert.equal(await fs.readFile(`/${format}/${'x'.repeat(200)}`, 'utf8'), 'long');
      assert.equal((await fs.stat(`/${format}/d/f`)).mtimeMs, Math.floor((await nodeFs.stat(join(place, 'd/f'))).mtimeMs / 1000) * 1000 + (format === 'pax' ? Math.floor((await nodeFs.stat(join(place, 'd/f'))).mtimeMs % 1000) : 0));
    }
  }));

test('nothing of an archive goes through a link of it, or out of its folder', () =>
  withVolume(async (volume, fs) => {
    await fs.mkdir('/safe');
    await fs.mkdir('/other');
    const place = join(folder, 'evil');
    await nodeFs.mkdir(join(place, 'one'), { recursive: true });
    await nodeFs.mkdir(join(place, 'two/link'), { recursive: true });
    await nodeFs.symlink('/other', join(place, 'one/link'));
    await nodeFs.writeFile(join(place, 'two/link/f'), 'evil');
    const archive = execFileSync('tar', ['c', '-C', join(place, 'one'), 'link', '-C', join(place, 'two'), 'link/f']);
    await volume.importTar(archive, { path: '/safe' }).catch(() => {});
    assert.deepEqual(await fs.readdir('/other'), []);
    const out = execFileSync('tar', ['cP', '--transform=s,^,../,', '-C', join(place, 'two/link'), 'f']);
    await assert.rejects(volume.importTar(out, { path: '/safe' }), { code: 'EINVAL' });
    assert.deepEqual((await fs.readdir('/')).sort(), ['other', 'safe']);
  }));

test('changes are told to those who watch', () =>
  withVolume(async (volume, fs) => {
    await fs.mkdir('/seen/below', { recursive: true });
    const controller = new AbortController();
    const told = [];
    const watching = (async () => {
      for await (const event of fs.watch('/seen', { signal: controller.signal })) {
        told.push(event);
        if (event.filename === 'last') controller.abort();
      }
    })();
    await fs.readdir('/');
    await fs.writeFile('/unseen', '');
    await fs.writeFile('/seen/f', 'x');
    await fs.writeFile('/seen/below/g', 'x');
    await fs.writeFile('/seen/f', 'y');
    await fs.rename('/seen/f', '/seen/last');
    await assert.rejects(watching, { name: 'AbortError' });
    assert.deepEqual(told.map(({ eventType, filename }) => [eventType, filename]), [['rename', 'f'], ['change', 'f'], ['rename', 'f'], ['rename', 'last']]);
    await assert.rejects(fs.watch('/nothing').next(), { code: 'ENOENT', syscall: 'watch' });
  }));

test('short requests are not kept waiting by long ones', () =>
  withVolume(async (volume, fs) => {
    await fs.mkdir('/many');
    for (let i = 0; i < 500; i++) await fs.writeFile(`/many/${i}`, '');
    await fs.writeFile('/large', bytes(24 * MIB));
    const order = [];
    const long = [
      fs.readFile('/large').then(() => order.push('long')),
      fs.rm('/many', { recursive: true }).then(() => order.push('long')),
    ];
    const short = Array.from({ length: 5 }, () => fs.stat('/large').then(() => order.push('short')));
    await Promise.all([...long, ...short]);
    assert.deepEqual(order, ['short', 'short', 'short', 'short', 'short', 'long', 'long']);
  }));

test('streams of handles', () =>
  withVolume(async (volume, fs) => {
    const data = bytes(3 * MIB + 5);
    const writing = await fs.open('/f', 'w');
    await new Blob([data]).stream().pipeTo(writing.createWriteStream());
    assert.equal(writing.fd, -1);
    assert.deepEqual(await collect((await fs.open('/f')).createReadStream()), data);
    assert.deepEqual(await collect((await fs.open('/f')).createReadStream({ start: 10, end: 19 })), data.subarray(10, 20));
    await fs.writeFile('/lines', 'a\nb\r\n\nlast');
    const handle = await fs.open('/lines');
    const lines = [];
    for await (const line of handle.readLines()) lines.push(line);
    assert.deepEqual(lines, ['a', 'b', '', 'last']);
    await handle.close();
  }));

async function listed(volume, path) {
  const fs = volume.promises;
  const found = [];
  for (const name of (await fs.readdir(path, { encoding: 'buffer', recursive: true })).sort(Buffer.compare)) {
    const full = Buffer.concat([Buffer.from(`${path}/`), name]);
    const stat = await fs.lstat(full);
    const attributes = [];
    for (const key of (await volume.listxattr(full, { noFollow: true })).sort()) attributes.push([key, (await volume.getxattr(full, key, { noFollow: true })).toString('hex')]);
    const contents = stat.isFile() ? (await fs.readFile(full)).toString('hex').slice(0, 100) : stat.isSymbolicLink() ? await fs.readlink(full) : '';
    found.push([name.toString('latin1'), stat.mode, stat.uid, stat.gid, stat.size * stat.isFile(), stat.nlink, stat.mtimeMs, attributes, contents]);
  }
  return found;
}
