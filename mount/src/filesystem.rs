//! The calls of FUSE: each is packed up, sent to the volume's thread, and answered from there.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::sync::mpsc::Sender;
use std::time::{Duration, SystemTime};

use fuser::{
    BsdFileFlags, CopyFileRangeFlags, Errno, FileHandle, Filesystem, FopenFlags, INodeNo, InitFlags,
    KernelConfig, LockOwner, OpenFlags, RenameFlags, ReplyAttr, ReplyCreate, ReplyData, ReplyDirectory,
    ReplyEmpty, ReplyEntry, ReplyLseek, ReplyOpen, ReplyStatfs, ReplyWrite, ReplyXattr, Request, TimeOrNow,
    WriteFlags,
};
use xfskit::volume::{FileType, NewInode, RenameMode, SetAttributes};

use crate::attributes;
use crate::caller::Caller;
use crate::engine::Job;
use crate::tree::{Answer, Entry, Tree};

/// How long the kernel may believe what it was told. Nothing changes behind its back.
const TTL: Duration = Duration::from_secs(1);
/// Most bytes of one write.
const MAX_WRITE_BYTES: u32 = 1 << 20;

const S_IFMT: u32 = 0o170_000;
const MAX_NAME_BYTES: u32 = 255;

/// What the kernel talks to.
pub(crate) struct Frontend {
    jobs: Sender<Job>,
}

impl Frontend {
    /// Sends what it is asked to `jobs`.
    pub(crate) fn new(jobs: Sender<Job>) -> Self {
        Self { jobs }
    }

    fn post(&self, job: impl FnOnce(&mut Tree) + Send + 'static) {
        // When the thread is gone, the answer that goes with the job says EIO as it is dropped.
        let _ = self.jobs.send(Box::new(job));
    }

    fn post_empty(&self, reply: ReplyEmpty, act: impl FnOnce(&mut Tree) -> Answer<()> + Send + 'static) {
        self.post(move |tree| match act(tree) {
            Ok(()) => reply.ok(),
            Err(errno) => reply.error(errno),
        });
    }

    fn post_entry(&self, reply: ReplyEntry, act: impl FnOnce(&mut Tree) -> Answer<Entry> + Send + 'static) {
        self.post(move |tree| match act(tree) {
            Ok(entry) => reply.entry(&TTL, &entry.attr, entry.generation),
            Err(errno) => reply.error(errno),
        });
    }

    fn post_data(&self, reply: ReplyData, act: impl FnOnce(&mut Tree) -> Answer<Vec<u8>> + Send + 'static) {
        self.post(move |tree| match act(tree) {
            Ok(data) => reply.data(&data),
            Err(errno) => reply.error(errno),
        });
    }

    fn post_xattr(
        &self,
        size: u32,
        reply: ReplyXattr,
        act: impl FnOnce(&mut Tree) -> Answer<Vec<u8>> + Send + 'static,
    ) {
        self.post(move |tree| match act(tree) {
            Ok(value) if size == 0 => reply.size(value.len() as u32),
            Ok(value) if value.len() > size as usize => reply.error(Errno::ERANGE),
            Ok(value) => reply.data(&value),
            Err(errno) => reply.error(errno),
        });
    }
}

fn bytes(name: &OsStr) -> Vec<u8> {
    name.as_bytes().to_vec()
}

fn new_inode(request: &Request, mode: u32) -> NewInode {
    NewInode { mode: (mode & 0o7777) as u16, uid: request.uid(), gid: request.gid() }
}

fn file_type(mode: u32) -> Option<FileType> {
    Some(match mode & S_IFMT {
        0o100_000 => FileType::Regular,
        0o020_000 => FileType::CharDevice,
        0o060_000 => FileType::BlockDevice,
        0o010_000 => FileType::Fifo,
        0o140_000 => FileType::Socket,
        _ => return None,
    })
}

fn rename_mode(request: &Request, flags: RenameFlags) -> Option<RenameMode> {
    let no_replace = flags.contains(RenameFlags::RENAME_NOREPLACE);
    let whiteout = flags.contains(RenameFlags::RENAME_WHITEOUT);
    match (flags.contains(RenameFlags::RENAME_EXCHANGE), whiteout) {
        (true, _) if flags != RenameFlags::RENAME_EXCHANGE => None,
        (true, _) => Some(RenameMode::Exchange),
        (false, true) => Some(RenameMode::Whiteout { uid: request.uid(), gid: request.gid(), no_replace }),
        (false, false) if no_replace => Some(RenameMode::NoReplace),
        (false, false) => Some(RenameMode::Replace),
    }
}

impl Filesystem for Frontend {
    fn init(&mut self, _: &Request, config: &mut KernelConfig) -> std::io::Result<()> {
        // Each is a courtesy of the kernel: without one, things go on, slower or less exact.
        let wanted = InitFlags::FUSE_POSIX_ACL
            | InitFlags::FUSE_DONT_MASK
            | InitFlags::FUSE_BIG_WRITES
            | InitFlags::FUSE_CACHE_SYMLINKS
            | InitFlags::FUSE_PARALLEL_DIROPS;
        for flag in wanted.iter() {
            let _ = config.add_capabilities(flag);
        }
        let _ = config.set_max_write(MAX_WRITE_BYTES);
        let _ = config.set_max_readahead(MAX_WRITE_BYTES);
        Ok(())
    }

    fn lookup(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEntry) {
        let name = bytes(name);
        self.post_entry(reply, move |tree| tree.lookup(parent, &name));
    }

    fn forget(&self, _: &Request, ino: INodeNo, nlookup: u64) {
        self.post(move |tree| tree.forget(ino, nlookup));
    }

    fn getattr(&self, _: &Request, ino: INodeNo, _: Option<FileHandle>, reply: ReplyAttr) {
        self.post(move |tree| match tree.getattr(ino) {
            Ok(attr) => reply.attr(&TTL, &attr),
            Err(errno) => reply.error(errno),
        });
    }

    fn setattr(
        &self,
        _: &Request,
        ino: INodeNo,
        mode: Option<u32>,
        uid: Option<u32>,
        gid: Option<u32>,
        size: Option<u64>,
        atime: Option<TimeOrNow>,
        mtime: Option<TimeOrNow>,
        _: Option<SystemTime>,
        _: Option<FileHandle>,
        _: Option<SystemTime>,
        _: Option<SystemTime>,
        _: Option<SystemTime>,
        _: Option<BsdFileFlags>,
        reply: ReplyAttr,
    ) {
        let mut set = SetAttributes::default();
        set.mode = mode.map(|mode| (mode & 0o7777) as u16);
        (set.uid, set.gid) = (uid, gid);
        set.atime = atime.map(attributes::asked);
        set.mtime = mtime.map(attributes::asked);
        self.post(move |tree| match tree.setattr(ino, size, &set) {
            Ok(attr) => reply.attr(&TTL, &attr),
            Err(errno) => reply.error(errno),
        });
    }

    fn readlink(&self, _: &Request, ino: INodeNo, reply: ReplyData) {
        self.post_data(reply, move |tree| tree.readlink(ino));
    }

    fn mknod(
        &self,
        request: &Request,
        parent: INodeNo,
        name: &OsStr,
        mode: u32,
        umask: u32,
        rdev: u32,
        reply: ReplyEntry,
    ) {
        let Some(file_type) = file_type(mode) else { return reply.error(Errno::EINVAL) };
        let (name, new) = (bytes(name), new_inode(request, mode));
        self.post_entry(reply, move |tree| tree.mknod(parent, &name, file_type, rdev, umask, &new));
    }

    fn mkdir(
        &self,
        request: &Request,
        parent: INodeNo,
        name: &OsStr,
        mode: u32,
        umask: u32,
        reply: ReplyEntry,
    ) {
        let (name, new) = (bytes(name), new_inode(request, mode));
        self.post_entry(reply, move |tree| {
            tree.make(parent, umask, |volume, dir| volume.mkdir(dir, &name, &new))
        });
    }

    fn unlink(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        let name = bytes(name);
        self.post_empty(reply, move |tree| tree.unlink(parent, &name, false));
    }

    fn rmdir(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        let name = bytes(name);
        self.post_empty(reply, move |tree| tree.unlink(parent, &name, true));
    }

    fn symlink(&self, request: &Request, parent: INodeNo, name: &OsStr, target: &Path, reply: ReplyEntry) {
        let (name, target, new) = (bytes(name), bytes(target.as_os_str()), new_inode(request, 0o777));
        self.post_entry(reply, move |tree| {
            tree.make(parent, 0, |volume, dir| volume.symlink(dir, &name, &target, &new))
        });
    }

    fn rename(
        &self,
        request: &Request,
        parent: INodeNo,
        name: &OsStr,
        newparent: INodeNo,
        newname: &OsStr,
        flags: RenameFlags,
        reply: ReplyEmpty,
    ) {
        let Some(mode) = rename_mode(request, flags) else { return reply.error(Errno::EINVAL) };
        let (name, new_name) = (bytes(name), bytes(newname));
        self.post_empty(reply, move |tree| tree.rename((parent, &name), (newparent, &new_name), mode));
    }

    fn link(&self, _: &Request, ino: INodeNo, newparent: INodeNo, newname: &OsStr, reply: ReplyEntry) {
        let name = bytes(newname);
        self.post_entry(reply, move |tree| tree.link(ino, newparent, &name));
    }

    fn open(&self, _: &Request, _: INodeNo, _: OpenFlags, reply: ReplyOpen) {
        // What the kernel has of the file in memory stays right: all changes pass through it.
        reply.opened(FileHandle(0), FopenFlags::FOPEN_KEEP_CACHE);
    }

    fn read(
        &self,
        _: &Request,
        ino: INodeNo,
        _: FileHandle,
        offset: u64,
        size: u32,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyData,
    ) {
        self.post_data(reply, move |tree| tree.read(ino, offset, size));
    }

    fn write(
        &self,
        _: &Request,
        ino: INodeNo,
        _: FileHandle,
        offset: u64,
        data: &[u8],
        _: WriteFlags,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyWrite,
    ) {
        let data = data.to_vec();
        self.post(move |tree| match tree.write(ino, offset, &data) {
            Ok(()) => reply.written(data.len() as u32),
            Err(errno) => reply.error(errno),
        });
    }

    fn flush(&self, _: &Request, _: INodeNo, _: FileHandle, _: LockOwner, reply: ReplyEmpty) {
        // Nothing to do when a file is closed, and no need to ask again.
        reply.error(Errno::ENOSYS);
    }

    fn fsync(&self, _: &Request, ino: INodeNo, _: FileHandle, _: bool, reply: ReplyEmpty) {
        self.post_empty(reply, move |tree| tree.fsync(ino));
    }

    fn readdir(&self, _: &Request, ino: INodeNo, _: FileHandle, offset: u64, mut reply: ReplyDirectory) {
        self.post(move |tree| {
            let outcome = tree.names(ino, offset, |name| {
                reply.add(name.ino, name.next, name.kind, OsStr::from_bytes(&name.name))
            });
            match outcome {
                Ok(()) => reply.ok(),
                Err(errno) => reply.error(errno),
            }
        });
    }

    fn fsyncdir(&self, _: &Request, ino: INodeNo, _: FileHandle, _: bool, reply: ReplyEmpty) {
        self.post_empty(reply, move |tree| tree.fsync(ino));
    }

    fn statfs(&self, _: &Request, _: INodeNo, reply: ReplyStatfs) {
        self.post(move |tree| match tree.statfs() {
            Ok([blocks, free, available, inodes, free_inodes, blocksize]) => {
                let blocksize = blocksize as u32;
                let files = inodes - free_inodes;
                // As Linux does: what is free could all become inodes.
                let could = available.saturating_mul(u64::from(blocksize) / 512) + free_inodes;
                reply.statfs(
                    blocks,
                    free,
                    available,
                    files + could,
                    could,
                    blocksize,
                    MAX_NAME_BYTES,
                    blocksize,
                );
            }
            Err(errno) => reply.error(errno),
        });
    }

    fn setxattr(
        &self,
        request: &Request,
        ino: INodeNo,
        name: &OsStr,
        value: &[u8],
        flags: i32,
        _: u32,
        reply: ReplyEmpty,
    ) {
        let (caller, name, value) = (Caller::of(request), bytes(name), value.to_vec());
        self.post_empty(reply, move |tree| tree.setxattr(caller, ino, &name, &value, flags));
    }

    fn getxattr(&self, _: &Request, ino: INodeNo, name: &OsStr, size: u32, reply: ReplyXattr) {
        let name = bytes(name);
        self.post_xattr(size, reply, move |tree| tree.getxattr(ino, &name));
    }

    fn listxattr(&self, request: &Request, ino: INodeNo, size: u32, reply: ReplyXattr) {
        let caller = Caller::of(request);
        self.post_xattr(size, reply, move |tree| tree.listxattr(caller, ino));
    }

    fn removexattr(&self, _: &Request, ino: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        let name = bytes(name);
        self.post_empty(reply, move |tree| tree.removexattr(ino, &name));
    }

    fn create(
        &self,
        request: &Request,
        parent: INodeNo,
        name: &OsStr,
        mode: u32,
        umask: u32,
        _: i32,
        reply: ReplyCreate,
    ) {
        let (name, new) = (bytes(name), new_inode(request, mode));
        self.post(move |tree| {
            match tree.make(parent, umask, |volume, dir| volume.create(dir, &name, &new)) {
                Ok(entry) => reply.created(
                    &TTL,
                    &entry.attr,
                    entry.generation,
                    FileHandle(0),
                    FopenFlags::FOPEN_KEEP_CACHE,
                ),
                Err(errno) => reply.error(errno),
            }
        });
    }

    fn fallocate(
        &self,
        _: &Request,
        ino: INodeNo,
        _: FileHandle,
        offset: u64,
        length: u64,
        mode: i32,
        reply: ReplyEmpty,
    ) {
        self.post_empty(reply, move |tree| tree.fallocate(ino, mode, offset, length));
    }

    fn lseek(&self, _: &Request, ino: INodeNo, _: FileHandle, offset: i64, whence: i32, reply: ReplyLseek) {
        self.post(move |tree| match tree.lseek(ino, offset, whence) {
            Ok(offset) => reply.offset(offset),
            Err(errno) => reply.error(errno),
        });
    }

    fn copy_file_range(
        &self,
        _: &Request,
        ino_in: INodeNo,
        _: FileHandle,
        offset_in: u64,
        ino_out: INodeNo,
        _: FileHandle,
        offset_out: u64,
        len: u64,
        _: CopyFileRangeFlags,
        reply: ReplyWrite,
    ) {
        self.post(move |tree| match tree.copy((ino_in, offset_in), (ino_out, offset_out), len) {
            Ok(done) => reply.written(done),
            Err(errno) => reply.error(errno),
        });
    }
}
