//! Does operations to a volume and to its model.

use xfskit::Volume;
use xfskit::acl::{Acl, AclKind};
use xfskit::error::Error;
use xfskit::mkfs::FormatOptions;
use xfskit::volume::{Follow, OpenOptions, Timestamp};

use super::image::Image;
use super::model::Model;
use super::record::{Event, Recorder, SECTOR_BYTES};
use super::states::Recording;
use crate::ops::{Bytes, How, Op, value};
use crate::rng::{Rng, pattern};
use crate::session;

/// Why a script ends early: an operation failed.
#[derive(Debug)]
pub struct Stopped {
    /// What it said.
    pub error: Error,
    /// The operation.
    pub op: Box<Op>,
}

/// A volume that was closed, and what it must be when it is opened.
#[derive(Debug)]
pub struct Prepared {
    /// What is on the device.
    pub image: Image,
    model: Model,
    options: OpenOptions,
    clock: i64,
    serial: u64,
}

impl Prepared {
    /// A driver that goes on from here; everything is recorded.
    ///
    /// # Panics
    /// If the volume can't be opened.
    pub fn driver(&self) -> Driver {
        let mut driver = Driver {
            recorder: Recorder::new(self.image.clone()),
            model: self.model.clone(),
            volume: None,
            options: self.options.clone(),
            clock: self.clock,
            serial: self.serial,
            is_careful: false,
        };
        driver.open().expect("open what was closed");
        driver.recorder.forget();
        driver
    }
}

/// A volume on a recorder, and what it must be.
pub struct Driver {
    /// The device below.
    pub recorder: Recorder,
    /// What the volume must show.
    pub model: Model,
    volume: Option<Volume>,
    options: OpenOptions,
    clock: i64,
    serial: u64,
    /// Operations are fed to the volume in pieces, so that more is known of what it does within.
    pub is_careful: bool,
}

impl Driver {
    /// A driver on a fresh volume.
    pub fn new(len_bytes: usize, format: &FormatOptions, options: OpenOptions) -> Self {
        let recorder = Recorder::new(Image::zeros(len_bytes));
        Volume::format(Box::new(recorder.clone()), format).expect("make a volume");
        recorder.forget();
        let model = Model::new(format.block_size);
        let mut driver =
            Self { recorder, model, volume: None, options, clock: 0, serial: 0, is_careful: false };
        driver.open().expect("open a fresh volume");
        driver
    }

    fn open(&mut self) -> Result<(), Error> {
        self.volume = Some(Volume::open(Box::new(self.recorder.clone()), &self.options)?);
        Ok(())
    }

    /// The volume; none after a failed attempt to close it or to open it again.
    pub fn volume(&mut self) -> Option<&mut Volume> {
        self.volume.as_mut()
    }

    /// Leaves the volume as a crash would.
    pub fn drop_volume(&mut self) {
        self.volume = None;
    }

    fn expect_volume(&mut self) -> &mut Volume {
        self.volume.as_mut().expect("open between operations")
    }

    /// Closes the volume: what is there now is the beginning of something to be recorded.
    ///
    /// # Errors
    /// Those of closing.
    pub fn prepared(mut self) -> Result<Prepared, Stopped> {
        self.op(Op::Reopen)?;
        self.model.forget_history();
        if let Some(Err(error)) = self.volume.take().map(Volume::close) {
            return Err(Stopped { error, op: Box::new(Op::Reopen) });
        }
        let Self { model, options, clock, serial, .. } = self;
        Ok(Prepared { image: self.recorder.image(), model, options, clock, serial })
    }

    /// Ends the recording that started with `start` on the device.
    pub fn recording(&self, start: Image) -> Recording {
        Recording::new(start, self.recorder.events().to_vec())
    }

    /// Does an operation that must succeed.
    ///
    /// # Errors
    /// Those of the operation. It is then under way in the model.
    pub fn op(&mut self, op: Op) -> Result<(), Stopped> {
        match self.try_op(&op) {
            Ok(()) => Ok(()),
            Err(error) => Err(Stopped { error, op: Box::new(op) }),
        }
    }

    /// Does an operation that may find no space; whether it did.
    ///
    /// # Errors
    /// Those of the operation, for which there was space.
    pub fn op_with_luck(&mut self, op: Op) -> Result<bool, Stopped> {
        match self.try_op(&op) {
            Ok(()) => Ok(true),
            Err(Error::NoSpace) => {
                self.model.end_op(self.recorder.count(), false);
                Ok(false)
            }
            Err(error) => Err(Stopped { error, op: Box::new(op) }),
        }
    }

    fn try_op(&mut self, op: &Op) -> Result<(), Error> {
        if self.is_careful {
            for path in with_writeback(&self.model, op) {
                self.one_op(&Op::Writeback { path: Bytes(path) })?;
            }
        }
        self.one_op(op)
    }

    /// One operation of the volume and of the model.
    fn one_op(&mut self, op: &Op) -> Result<(), Error> {
        self.clock += 1;
        let time = Timestamp { seconds: 1_700_000_000 + self.clock, nanoseconds: 7 };
        let start = self.recorder.count();
        self.model.begin_op(start, format!("{op:?}"));
        let waiting = self.by_inode();
        let outcome = match op {
            Op::Reopen => self.reopen(),
            _ => {
                let volume = self.expect_volume();
                volume.set_time(time);
                session::apply(volume, b"", op)
            }
        };
        // When space is short, or the log, everything is written back before the operation takes place.
        let is_expected = matches!(op, Op::Writeback { .. } | Op::Fsync { .. } | Op::Sync | Op::Reopen);
        let has_own = match op {
            Op::CloneFile { .. } => !self.is_careful,
            // The block at the end of the target may have to be zeroed.
            Op::CloneRange { .. } => true,
            _ => is_expected,
        };
        if !has_own && self.recorder.events()[start..].iter().any(is_stamped) {
            waiting.iter().for_each(|path| self.model.writeback(path));
        }
        outcome?;
        follow(&mut self.model, op, &waiting);
        let is_durable = matches!(op, Op::Fsync { .. } | Op::Sync | Op::Reopen);
        self.model.end_op(self.recorder.count(), is_durable);
        Ok(())
    }

    fn reopen(&mut self) -> Result<(), Error> {
        if let Some(volume) = self.volume.take() {
            volume.close()?;
        }
        self.open()
    }

    /// Paths of the files with something in memory, in the order in which a sync writes them back.
    fn by_inode(&mut self) -> Vec<Vec<u8>> {
        let paths = self.model.waiting();
        let Some(volume) = self.volume.as_mut() else { return paths };
        let mut ino = |path: &[u8]| volume.resolve(path, Follow::No).map_or(u64::MAX, |ino| ino.0);
        let mut found: Vec<_> =
            self.recorder.quietly(|| paths.into_iter().map(|path| (ino(&path), path)).collect());
        found.sort();
        found.into_iter().map(|(_, path)| path).collect()
    }

    /// Makes the log's head wander until at most `left_bytes` bytes are left behind it in the log.
    ///
    /// # Errors
    /// Those of the operations.
    pub fn age_log(&mut self, left_bytes: u64) -> Result<(), Stopped> {
        let geometry = self.expect_volume().geometry();
        let end = geometry.byte(geometry.logstart) + (u64::from(geometry.logblocks) << geometry.blocklog);
        let is_near = |event: &Event| match event {
            Event::Write { offset, .. } => (end - left_bytes..end).contains(offset),
            Event::Flush => false,
        };
        let (path, name) = (Bytes(b"/aging".to_vec()), Bytes(b"aging".to_vec()));
        self.op(Op::Create { dir: b"/"[..].into(), name: name.clone(), mode: 0 })?;
        let mut is_there = false;
        while !is_there {
            for mode in 0..64 {
                self.op(Op::Chmod { path: path.clone(), mode })?;
                self.op(Op::Fsync { path: path.clone() })?;
                is_there = self.recorder.events().iter().any(is_near);
                if is_there {
                    break;
                }
            }
            self.op(Op::Sync)?;
            self.recorder.forget();
            self.model.forget_history();
        }
        self.op(Op::Unlink { dir: b"/"[..].into(), name })
    }

    /// Writes content that no other write has.
    ///
    /// # Errors
    /// Those of the operation.
    pub fn write(&mut self, path: &[u8], offset_bytes: u64, len_bytes: usize) -> Result<(), Stopped> {
        let op = self.write_op(path, offset_bytes, len_bytes);
        self.op(op)
    }

    /// A write of content that no other write has.
    pub fn write_op(&mut self, path: &[u8], offset_bytes: u64, len_bytes: usize) -> Op {
        Op::Write { path: path.into(), seed: self.next_seed(), offset_bytes, len_bytes }
    }

    /// A seed that no other content has.
    pub fn next_seed(&mut self) -> u64 {
        self.serial += 1;
        1_000_000 + self.serial
    }
}

/// Files that an operation writes back first.
fn with_writeback(model: &Model, op: &Op) -> Vec<Vec<u8>> {
    let wanted: Vec<&Bytes> = match op {
        Op::Fsync { path } => vec![path],
        Op::CloneFile { source, target } | Op::CloneRange { source, target, .. } => vec![source, target],
        _ => return Vec::new(),
    };
    let waiting = model.waiting();
    wanted.into_iter().map(|path| path.0.clone()).filter(|path| waiting.contains(path)).collect()
}

/// The model does what the volume did, or may have begun to do. A sync writes back the files of `waiting` in order.
pub fn follow(model: &mut Model, op: &Op, waiting: &[Vec<u8>]) {
    match op {
        Op::Create { dir, name, mode } => model.make(&child(dir, name), *mode, false),
        Op::Mkdir { dir, name, mode } => model.make(&child(dir, name), *mode, true),
        Op::Unlink { dir, name } | Op::Rmdir { dir, name } => model.remove(&child(dir, name)),
        Op::Symlink { dir, name, target } => model.make_other(&child(dir, name), 0o777, target.0.clone()),
        Op::Mknod { dir, name, mode, rdev, .. } => {
            model.make_other(&child(dir, name), *mode, shown_node(*rdev));
        }
        Op::Link { path, dir, name } => model.link(path, &child(dir, name)),
        Op::Rename { dir, name, new_dir, new_name, how } => {
            let (from, to) = (child(dir, name), child(new_dir, new_name));
            match how {
                How::Exchange => model.exchange(&from, &to),
                How::Whiteout => model.rename(&from, &to, Some(shown_node((0, 0)))),
                How::Replace | How::NoReplace => model.rename(&from, &to, None),
            }
        }
        Op::Tmpfile { dir, name, mode, seed, len_bytes } => {
            let path = child(dir, name);
            model.make(&path, *mode, false);
            model.write(&path, 0, &pattern(*seed, 0, *len_bytes));
        }
        Op::Write { path, seed, offset_bytes, len_bytes } => {
            model.write(path, *offset_bytes, &pattern(*seed, *offset_bytes, *len_bytes));
        }
        Op::Truncate { path, size_bytes } => model.truncate(path, *size_bytes),
        Op::CloneFile { source, target } => model.clone_range(source, 0, target, 0, 0),
        Op::CloneRange { source, from_bytes, target, to_bytes, len_bytes } => {
            model.clone_range(source, *from_bytes, target, *to_bytes, *len_bytes);
        }
        Op::Chmod { path, mode } => model.set_owned(path, |owned| owned.mode = *mode),
        Op::Chown { path, uid, gid } => {
            model.set_owned(path, |owned| (owned.uid, owned.gid) = (*uid, *gid));
        }
        Op::Utimes { path, .. } => model.set_owned(path, |_| ()),
        Op::SetXattr { path, name, seed, len_bytes } => {
            model.set_xattr(path, &user(name), Some(&value(*seed, *len_bytes)), None);
        }
        Op::RemoveXattr { path, name } => model.set_xattr(path, &user(name), None, None),
        Op::SetAcl { path, kind, list } => {
            let name = [b"trusted.", kind.name()].concat();
            let mode = list.as_ref().filter(|_| *kind == AclKind::Access).map(Acl::mode);
            let kept = list.as_ref().filter(|list| *kind == AclKind::Default || !list.is_minimal());
            model.set_xattr(path, &name, kept.map(Acl::encode).as_deref(), mode);
        }
        Op::Writeback { path } | Op::Fsync { path } => model.writeback(path),
        Op::Sync | Op::Reopen => waiting.iter().for_each(|path| model.writeback(path)),
        Op::Preallocate { .. } | Op::Punch { .. } => unreachable!("only the kernel does {op:?}"),
    }
}

/// The full name of an extended attribute of users.
fn user(name: &[u8]) -> Vec<u8> {
    [b"user.", name].concat()
}

/// What stands for a node in the model and in a view.
pub fn shown_node(rdev: (u32, u32)) -> Vec<u8> {
    format!("node {rdev:?}").into_bytes()
}

/// The path of a name in a directory.
pub fn child(dir: &[u8], name: &[u8]) -> Vec<u8> {
    let dir = dir.strip_suffix(b"/").unwrap_or(dir);
    [dir, b"/", name].concat()
}

/// Whether file data was written: a sector with the marks that [`pattern`] leaves.
fn is_stamped(event: &Event) -> bool {
    let Event::Write { bytes, .. } = event else { return false };
    bytes.chunks_exact(SECTOR_BYTES).any(|sector| stamp(sector).is_some())
}

/// The seed and the place in its file that a sector of a pattern names.
pub fn stamp(sector: &[u8]) -> Option<(u64, u64)> {
    let word = |at: usize| u64::from_be_bytes(sector[at..at + 8].try_into().expect("eight bytes"));
    let (seed, place) = (word(0), word(8));
    let tag = Rng::new(seed ^ place.wrapping_mul(0x5851_f42d_4c95_7f2d)).bits() as u8 | 1;
    (sector.len() == SECTOR_BYTES && sector[16..].iter().all(|&byte| byte == tag)).then_some((seed, place))
}
