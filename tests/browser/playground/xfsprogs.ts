// xfsprogs of this machine as maker and judge of images, where they are installed.

import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';

/** The folder with the newer release, where `cargo xtask setup` puts it. */
function newer(): string | undefined {
  const cache = process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache');
  const folders = [process.env['XFSKIT_XFSPROGS_SID'], join(cache, 'xfskit/xfsprogs-sid')];
  return folders.find((folder) => folder !== undefined && existsSync(join(folder, 'usr/sbin/xfs_repair')));
}

function run(program: string, args: string[]): { status: number | null; said: string } {
  const { status, stdout, stderr } = spawnSync(program, args, { encoding: 'utf8' });
  return { status, said: `${stdout ?? ''}${stderr ?? ''}` };
}

export function hasMkfs(): boolean {
  return run('mkfs.xfs', ['-V']).status === 0;
}

/** A fresh volume of 300 MiB in a sparse file, filled as the file `proto` says, so that nothing has to be mounted. */
export function mkfs(image: string, proto: string): void {
  const made = run('mkfs.xfs', ['-q', '-m', 'crc=1,reflink=1,rmapbt=1', '-p', proto, '-d', `file,name=${image},size=300m`]);
  if (made.status !== 0) throw new Error(`mkfs.xfs: ${made.said}`);
}

/** What `xfs_repair -n` says of an image; nothing where no release here knows all of its features. */
export function repair(image: string): { isClean: boolean; said: string } | undefined {
  const sid = newer();
  const programs: [string, string[]][] = [['xfs_repair', []]];
  if (sid !== undefined) {
    const loader = join(sid, 'lib64/ld-linux-x86-64.so.2');
    programs.unshift([loader, ['--library-path', join(sid, 'usr/lib/x86_64-linux-gnu'), join(sid, 'usr/sbin/xfs_repair')]]);
  }
  for (const [program, before] of programs) {
    const { status, said } = run(program, [...before, '-n', '-o', 'force_geometry', image]);
    if (status !== null && !said.includes('unsupported filesystem features')) return { isClean: status === 0, said };
  }
  return undefined;
}
